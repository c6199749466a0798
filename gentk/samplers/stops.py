"""Stop strings: a text ends before the first of them."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from ..protocols import Leaf
from ..vocabulary import joined


def vocabulary(leaf: Leaf, what: str) -> tuple[str, ...]:
    """The texts of the leaf's tokens, () where a tokenizer knows them. Raises UsageError, naming the option, where they have none."""
    if not (leaf.names or leaf.tokenizer) or len(leaf.shape) != 1:
        raise UsageError(f"{what}: the tokens of this model stand for no text")
    return leaf.names


class Stops:
    """Texts that end a text. `leaf`: whose names are the vocabulary."""

    def __init__(self, leaf: Leaf, texts: Sequence[str]) -> None:
        if not all(texts):
            raise UsageError("stop: a text that ends others cannot be empty")
        self.names, self.words, self.tokenizer, self.texts = vocabulary(leaf, "stop"), leaf.words, leaf.tokenizer, tuple(texts)
        self.tail = max(map(len, self.texts)) + 8  # tokens in which a text that was just completed lies; some tokens may be empty

    def cut(self, tokens: Sequence[int]) -> int | None:
        """How many tokens lie wholly before the first stop text; None where there is none.

        Only the end is looked at: it is asked after every token. A token that reaches into the stop text is cut as well.
        """
        tail = self.said(tokens[-self.tail :])
        if not any(text in tail for text in self.texts):
            return None
        whole = self.said(tokens)
        end = min(place for text in self.texts if (place := whole.find(text)) >= 0)
        kept = len(tokens)
        while kept and len(self.said(tokens[:kept])) > end:
            kept -= 1
        return kept

    def said(self, tokens: Sequence[int]) -> str:
        return joined(tokens, self.names, words=self.words, tokenizer=self.tokenizer)
