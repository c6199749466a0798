"""Texts of a regular language: which tokens may come next so that the whole text matches (Willard & Louf 2023).

The automaton over tokens is outlines-core's; here it is told how many tokens are left, so that every text ends in an accepting state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..errors import GentkError, UsageError
from ..protocols import Leaf
from ..vocabulary import joined, pieces
from .stops import vocabulary

DEAD = -1
SPECIAL = frozenset(r"\.+*?()|[]{}^$#&-~/")


def either(choices: Sequence[str]) -> str:
    """The regular expression of a list of texts."""
    return "|".join("".join("\\" + c if c in SPECIAL else c for c in text) for text in choices)


class Language:
    """An automaton over the tokens of a leaf. States are numbers; `DEAD` follows a token that does not fit.

    `left` (n,): how many more tokens each text may have. `stop`: the token that ends a text, allowed where the text matches.
    Raises UsageError for a pattern that is none, or that this vocabulary cannot write.
    """

    def __init__(self, pattern: str, leaf: Leaf, stop: int | None) -> None:
        self.pattern, self.classes, self.stop = pattern, leaf.classes, stop
        self.moves, final = _automaton(pattern, leaf, stop)
        self.final = torch.tensor(final, dtype=torch.bool)
        self.away = _distances(self.moves, final)  # tokens from each state to the nearest accepting one
        self.farthest = max((a for a in self.away if a < NEVER), default=0)
        self._masks: dict[tuple[int, int], Tensor] = {}

    def begin(self, n: int) -> Tensor:
        return torch.zeros(n, dtype=torch.int64)

    def fits(self, left: Tensor) -> None:
        """Raise UsageError unless each text has room for the shortest match."""
        least = int(left.min()) if len(left) else NEVER
        if self.away[0] > least:
            needed = f"its shortest match has {self.away[0]} tokens" if self.away[0] < NEVER else "no text matches it"
            raise UsageError(f"pattern {self.pattern!r}: {needed}, and there is room for {max(least, 0)}; give a larger --length")

    def allowed(self, states: Tensor, left: Tensor) -> Tensor:
        """(n, V) bool: after these tokens the rest of a match still fits into what is left."""
        keys = zip(states.tolist(), left.clamp(max=self.farthest + 1).tolist(), strict=True)
        rows = [self._mask(*key) for key in keys]
        return torch.stack(rows) if rows else torch.zeros(0, self.classes, dtype=torch.bool)

    def next(self, states: Tensor, tokens: Tensor) -> Tensor:
        """(n,) states, (n,) tokens → (n,) states. The stop token leaves a state as it is."""
        pairs = zip(states.tolist(), tokens.tolist(), strict=True)
        return torch.tensor([s if t == self.stop else self.moves[s].get(t, DEAD) if s >= 0 else DEAD for s, t in pairs], dtype=torch.int64)

    def complete(self, states: Tensor) -> Tensor:
        """(n,) bool: the text matches, and none that goes on does. With a stop token the model says so itself."""
        if self.stop is not None:
            return torch.zeros(len(states), dtype=torch.bool)
        return torch.tensor([s >= 0 and bool(self.final[s]) and not self.moves[s] for s in states.tolist()], dtype=torch.bool)

    def matches(self, states: Tensor) -> Tensor:
        """(n,) bool: the text up to here matches."""
        return (states >= 0) & self.final[states.clamp(min=0)]

    def _mask(self, state: int, left: int) -> Tensor:
        if (state, left) not in self._masks:
            mask = torch.zeros(self.classes, dtype=torch.bool)
            if state >= 0:
                mask[[t for t, to in self.moves[state].items() if self.away[to] < left]] = True
                if self.stop is not None:
                    mask[self.stop] = bool(self.final[state])
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


def _automaton(pattern: str, leaf: Leaf, stop: int | None) -> tuple[list[dict[int, int]], list[bool]]:
    """For each state, 0 the first, the state after each token that fits, and whether it accepts."""
    try:
        from outlines_core import Index, Vocabulary
    except ImportError:
        raise GentkError('pattern and choices need outlines-core: pip install "gentk-core[constrained]"') from None
    bare, behind, differ = _texts(leaf)
    v = len(bare)
    known: dict[str, list[int]] = {}
    for token, text in enumerate(bare + behind if differ else bare):
        if text and token % v != stop and "\ufffd" not in text:  # half of a character has no text of its own
            known.setdefault(text, []).append(token)
    try:
        index = Index(pattern, Vocabulary(2 * v, known))
    except ValueError as error:
        why = "this vocabulary cannot write it" if "vocabulary" in str(error) else "it is no regular expression"
        raise UsageError(f"pattern {pattern!r}: {why} ({' '.join(str(error).split())[:120]})") from None
    return _walked(index, bare, v, differ)


def _walked(index: Any, bare: list[str], v: int, differ: bool) -> tuple[list[dict[int, int]], list[bool]]:
    """The states that can be reached. Of words, a state also says whether a blank comes before the next one."""
    table, accepting = index.get_transitions(), set(index.get_final_states())
    first = (index.get_initial_state(), True)
    number, waiting = {first: 0}, deque([first])
    moves: list[dict[int, int]] = []
    while waiting:
        state, fresh = waiting.popleft()
        here = {}
        for token, to in table.get(state, {}).items():
            if token >= 2 * v or (differ and fresh != (token < v) and bare[token % v] != "\n"):
                continue
            after = (to, not differ or bare[token % v].endswith("\n"))
            if after not in number:
                number[after] = len(number)
                waiting.append(after)
            here[token % v] = number[after]
        moves.append(here)
    return moves, [state in accepting for state, _ in number]


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
