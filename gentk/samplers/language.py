"""Texts of a regular language: which tokens may come next so that the whole text matches (Willard & Louf 2023).

The automaton over characters is interegular's. Here it becomes one over tokens, and is told how many tokens are left, so that every text
ends in an accepting state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..errors import GentkError, UsageError
from ..protocols import Leaf
from ..text import one_line
from ..vocabulary import joined, pieces
from .stops import vocabulary

DEAD = -1
SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def either(choices: Sequence[str]) -> str:
    """The regular expression of a list of texts."""
    return "|".join("".join("\\" + c if c in SPECIAL else c for c in text) for text in choices)


class Language:
    """An automaton over the tokens of a leaf. States are numbers; `DEAD` follows a token that does not fit.

    `left` (n,): how many more tokens each text may have. `stop`: the token that ends a text. It is allowed where the text matches, and is
    then no part of it, and where the text matches with the stop token's own.
    Raises UsageError for a pattern that is none, or that these tokens cannot write.
    """

    def __init__(self, pattern: str, leaf: Leaf, stop: int | None) -> None:
        self.pattern, self.classes, self.stop = pattern, leaf.classes, stop
        moves, final = _automaton(pattern, leaf)
        for here in moves:  # nothing comes behind the stop token
            if stop is not None and not final[here.get(stop, 0)]:
                here.pop(stop, None)
        self.final = torch.tensor(final, dtype=torch.bool)
        self.away = _distances(moves, final)  # tokens from each state to the nearest accepting one
        if self.away[0] == NEVER:
            raise UsageError(f"pattern {pattern!r}: the tokens of this model can write no text that matches it")
        self.moves = [{token: to for token, to in here.items() if self.away[to] < NEVER} for here in moves]
        self.farthest = max((a for a in self.away if a < NEVER), default=0)
        self._masks: dict[tuple[int, int], Tensor] = {}

    def begin(self, n: int) -> Tensor:
        return torch.zeros(n, dtype=torch.int64)

    def fits(self, left: Tensor) -> None:
        """Raise UsageError unless each text has room for the shortest match."""
        least = int(left.min()) if len(left) else NEVER
        if self.away[0] > least:
            room = f"its shortest match has {self.away[0]} tokens, and there is room for {max(least, 0)}"
            raise UsageError(f"pattern {self.pattern!r}: {room}; give a larger --length, a shorter prompt or another pattern")

    def allowed(self, states: Tensor, left: Tensor) -> Tensor:
        """(n, V) bool: after these tokens the rest of a match still fits into what is left."""
        keys = zip(states.tolist(), left.clamp(max=self.farthest + 1).tolist(), strict=True)
        rows = [self._mask(*key) for key in keys]
        return torch.stack(rows) if rows else torch.zeros(0, self.classes, dtype=torch.bool)

    def next(self, states: Tensor, tokens: Tensor) -> Tensor:
        """(n,) states, (n,) tokens → (n,) states. A stop token that is no part of the text leaves a state as it is."""
        pairs = zip(states.tolist(), tokens.tolist(), strict=True)
        after = [self.moves[s].get(t, s if t == self.stop else DEAD) if s >= 0 else DEAD for s, t in pairs]
        return torch.tensor(after, dtype=torch.int64)

    def marks(self, states: Tensor, tokens: Tensor) -> Tensor:
        """(n,) bool: the token is the stop token, and no part of the text."""
        pairs = zip(states.tolist(), tokens.tolist(), strict=True)
        return torch.tensor([s >= 0 and t == self.stop and t not in self.moves[s] for s, t in pairs], dtype=torch.bool)

    def complete(self, states: Tensor, left: Tensor) -> Tensor:
        """(n,) bool: the text matches, and no longer one that fits into what is left does. A model with a stop token says so itself."""
        return self.matches(states) & ~self.allowed(states, left).any(1)

    def matches(self, states: Tensor) -> Tensor:
        """(n,) bool: the text up to here matches."""
        return (states >= 0) & self.final[states.clamp(min=0)]

    def _mask(self, state: int, left: int) -> Tensor:
        if (state, left) not in self._masks:
            mask = torch.zeros(self.classes, dtype=torch.bool)
            if state >= 0:
                mask[[t for t, to in self.moves[state].items() if self.away[to] < left]] = True
                if self.stop is not None:
                    mask[self.stop] |= self.final[state]
            self._masks[state, left] = mask
        return self._masks[state, left]


NEVER = 1 << 60


@lru_cache(8)
def language(pattern: str, leaf: Leaf, stop: int | None) -> Language:
    """Made once for all batches."""
    return Language(pattern, leaf, stop)


def _texts(leaf: Leaf) -> tuple[list[str], list[str], bool]:
    """Each token's text at the beginning of a text (or line), and behind a word; and whether these differ.

    They are asked of `joined`, which knows where blanks stand.
    """
    names = vocabulary(leaf, "pattern")
    if leaf.tokenizer:
        said = [piece.decode("utf-8", "replace") for piece in pieces((), tokenizer=leaf.tokenizer)]
        return said, said, False
    word = next((i for i, name in enumerate(names) if name.strip()), 0)
    before = len(joined([word], names, words=leaf.words))
    bare = [joined([token], names, words=leaf.words) for token in range(len(names))]
    behind = [joined([word, token], names, words=leaf.words)[before:] for token in range(len(names))]
    return bare, behind, bare != behind


def _automaton(pattern: str, leaf: Leaf) -> tuple[list[dict[int, int]], list[bool]]:
    """For each state, 0 the first, the state after each token that fits, and whether it accepts.

    Of words, a state also says whether a blank comes before the next one.
    """
    characters, live = _characters(pattern)
    bare, behind, differ = _texts(leaf)
    tries = [_trie(texts) for texts in ((behind, bare) if differ else (bare, bare))]
    first = (characters.initial, True)
    number, waiting = {first: 0}, deque([first])
    moves: list[dict[int, int]] = []
    while waiting:
        state, fresh = waiting.popleft()
        here = {}
        for token, to in _through(tries[fresh], state, characters, live):
            after = (to, not differ or bare[token].endswith("\n"))
            if after not in number:
                number[after] = len(number)
                waiting.append(after)
            here[token] = number[after]
        moves.append(here)
    return moves, [state in characters.finals for state, _ in number]


def _characters(pattern: str) -> tuple[Any, set[Any]]:
    """The automaton over characters, and its states from which a match can be reached."""
    try:
        import interegular
        from interegular.patterns import InvalidSyntax, Unsupported
    except ImportError:
        raise GentkError('pattern and choices need interegular: pip install "gentk-core[constrained]"') from None
    try:
        whole: Any = interegular.parse_pattern(pattern).to_fsm()
        found = whole.reduce()
    except (InvalidSyntax, Unsupported, ValueError) as error:
        why = one_line(error, 100) or type(error).__name__
        raise UsageError(f"pattern {pattern!r} is no regular expression, or one with more than an automaton can do ({why})") from None
    return found, {state for state in found.states if found.islive(state)}


class Node:
    """Of a trie: the tokens whose text ends here, and what comes after each next character."""

    __slots__ = ("after", "tokens")

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.after: dict[str, Node] = {}


def _trie(texts: Sequence[str]) -> Node:
    root = Node()
    for token, text in enumerate(texts):
        if text and "\ufffd" not in text:  # half of a character has no text of its own
            node = root
            for character in text:
                node = node.after.setdefault(character, Node())
            node.tokens.append(token)
    return root


def _through(root: Node, state: Any, characters: Any, live: set[Any]) -> Iterator[tuple[int, Any]]:
    """Each token that can come after a state, and the state after it."""
    waiting = [(root, state)]
    while waiting:
        node, here = waiting.pop()
        yield from ((token, here) for token in node.tokens)
        for character, after in node.after.items():
            if (to := characters.map.get(here, {}).get(characters.alphabet[character])) in live:
                waiting.append((after, to))


def _distances(moves: list[dict[int, int]], final: list[bool]) -> list[int]:
    """From each state, how many tokens the shortest way to an accepting one has."""
    before: list[set[int]] = [set() for _ in moves]
    for state, here in enumerate(moves):
        for to in here.values():
            before[to].add(state)
    away = [0 if accepts else NEVER for accepts in final]
    waiting = deque(state for state, accepts in enumerate(final) if accepts)
    while waiting:
        state = waiting.popleft()
        for other in before[state]:
            if away[other] == NEVER:
                away[other] = away[state] + 1
                waiting.append(other)
    return away
