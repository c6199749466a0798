"""Texts of the Hub: a column of texts, cut as a file's text is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentk.errors import UsageError
from gentk.vocabulary import split as tokens_of

from . import options
from .hub import one_of
from .hub_client import Found
from .splits import shuffled_rows
from .text import MOST, WINDOW, Cutter, Texts

CHUNK = 1000  # rows read together
Ints = NDArray[np.int32]


class HubTexts(Texts):
    """Windows of the texts one after another, or each text an example. `resolved` and `chose`: see `hub`."""

    resolved: dict[str, Any]
    chose: str


class Tokens:
    """Texts as numbers, four bytes a token: a number for each different token in the order in which they are met."""

    def __init__(self, unit: str) -> None:
        self.characters = unit == "character"
        self.index: dict[str, int] = {}

    def __call__(self, text: str) -> Ints:
        index = self.index
        return np.array([index.setdefault(token, len(index)) for token in tokens_of(text, characters=self.characters)], np.int32)

    def sorted(self) -> tuple[list[str], Ints]:
        """(the tokens in order, the place there of each number)."""
        names = sorted(self.index)
        place = np.empty(len(names), np.int32)
        place[[self.index[name] for name in names]] = np.arange(len(names), dtype=np.int32)
        return names, place


def texts(rows: Found, chosen: options.Hub, split: str) -> HubTexts:
    """The texts of a split. The vocabulary is that of both. Raises UsageError: no text, too many words, a split without an example."""
    column, where = one_of(rows, "text", chosen.column, "texts"), f"data set {rows.place}"
    tokens = Tokens(chosen.unit)
    every = {part: [tokens(text + "\n") for text in _column(data, column)] for part, data in rows.splits.items()}
    names, place = tokens.sorted()
    if len(names) <= 1:
        raise UsageError(f"{where}: there is no text in the column '{column}'")
    if len(names) > MOST:
        raise UsageError(f"{where}: {len(names):,} different tokens are more than {MOST:,}; take dataset.options.unit = character")
    part = _part(every, chosen, split)
    longest = max((len(one) for some in every.values() for one in some), default=0)
    room = chosen.length or (longest if chosen.lines else WINDOW)
    if chosen.lines:
        made = HubTexts(*_rows(part, place, room, f"{where}: no text is in the split '{split}'"), Cutter(names, chosen.unit).leaf)
    else:
        flat = place[np.concatenate(part)] if part else np.zeros(0, np.int32)
        if len(flat) < room:
            few = f"the split '{split}' has {len(flat):,} tokens, fewer than one example of {room}"
            raise UsageError(f"{where}: {few}; lower dataset.options.length, or choose another test_share")
        windows = np.lib.stride_tricks.sliding_window_view(flat, room)[:: chosen.stride or room]
        made = HubTexts(windows, None, Cutter(names, chosen.unit).leaf)
    made.resolved = {"column": column, "length": room}
    kind = "each row an example" if chosen.lines else "windows"
    made.chose = f"texts {column}, {kind} of {room} {chosen.unit}s, {len(names):,} different ones"
    return made


def _column(data: Any, column: str) -> Iterator[str]:
    """The texts that are not blank."""
    plain = data.select_columns([column])
    for first in range(0, len(plain), CHUNK):
        yield from (text.replace("\r\n", "\n") for text in plain[first : first + CHUNK][column] if text and text.strip())


def _part(every: dict[str, list[Ints]], chosen: options.Hub, split: str) -> list[Ints]:
    if "test" in every:
        return every[split]
    return [every["train"][i] for i in shuffled_rows(len(every["train"]), chosen.test_share, split)]


def _rows(part: Sequence[Ints], place: Ints, room: int, none: str) -> tuple[Ints, NDArray[np.int64]]:
    """Texts padded to `room` tokens, a longer one cut, and how long each is."""
    if not part:
        raise UsageError(f"{none}; choose another dataset.options.test_share")
    out = np.zeros((len(part), room), np.int32)
    for row, tokens in zip(out, part, strict=True):
        row[: len(tokens)] = place[tokens[:room]]
    return out, np.array([min(len(tokens), room) for tokens in part], np.int64)
