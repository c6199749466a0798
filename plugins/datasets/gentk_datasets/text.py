"""Texts: your own, cut by character or word, and sentences that are made on the fly from a grammar whose kinds of words are hidden."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.errors import UsageError
from gentk.modalities.cells import read_text
from gentk.protocols import DataSpec, Leaf
from gentk.vocabulary import split as tokens_of

from . import options
from .counters import uniforms
from .splits import checked

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

Unit = Literal["character", "word"]
Ints = NDArray[np.int64]
T = TypeVar("T")

WINDOW = 256
MOST = 20_000
"""Different tokens in a vocabulary, which stands in every config.json."""
LENGTHS = {"train": 2**20, "test": 2**16}
WORDS = 24
"""Words in a sentence at most, the full stop included; a longer one breaks off."""

KINDS: dict[str, tuple[str, ...]] = {
    "article": ("the", "a", "every"),
    "adjective": ("old", "quiet", "young", "light", "still", "grey"),
    "animal": ("cat", "dog", "fox", "bird", "horse", "mouse"),
    "adverb": ("often", "never", "slowly", "still"),
    "verb": ("sees", "finds", "follows", "leaves", "watches", "hears"),
    "owner": ("my", "your", "her", "our"),
    "thing": ("stone", "river", "lamp", "book", "garden", "light"),
    "preposition": ("near", "under", "behind", "with"),
    "stop": (".",),
}
FIRST = {"article": 0.75, "owner": 0.25}
NEXT: dict[str, dict[str, float]] = {
    "article": {"adjective": 0.35, "animal": 0.65},
    "adjective": {"adjective": 0.1, "animal": 0.6, "thing": 0.3},
    "animal": {"verb": 0.6, "adverb": 0.2, "stop": 0.2},
    "adverb": {"verb": 1.0},
    "verb": {"owner": 0.4, "article": 0.2, "preposition": 0.35, "stop": 0.05},
    "owner": {"adjective": 0.15, "thing": 0.7, "animal": 0.15},
    "thing": {"stop": 0.85, "preposition": 0.05, "verb": 0.1},
    "preposition": {"article": 0.4, "owner": 0.6},
    "stop": {"stop": 1.0},
}
"""The grammar: a Markov chain over kinds, each of which says one of its words, all alike. `light` and `still` are of two kinds."""


class Texts:
    """Rows of tokens: leaf `x` (L,) int64, and `length` (), how many of them count, where they differ."""

    def __init__(self, rows: NDArray[np.integer[Any]], lengths: Ints | None, names: Sequence[str], unit: Unit) -> None:
        self.rows, self.lengths = rows, lengths
        self.spec = _spec(rows.shape[1], names, ragged=lengths is not None, unit=unit)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`: x (n, L) int64, 0 after the end, and length (n,) int64. Nothing is drawn from `noise`."""
        chosen = np.asarray(indices, np.int64)
        batch = {"x": torch.from_numpy(self.rows[chosen].astype(np.int64))}
        return batch if self.lengths is None else {**batch, "length": torch.from_numpy(self.lengths[chosen])}


def text(
    split: str = "train",
    *,
    path: str,
    unit: Unit = "character",
    lines: bool = False,
    length: int = 0,
    stride: int = 0,
    test_share: float = 0.1,
    encoding: str = "",
) -> Texts:
    """The text in the file `path`, in windows or lines. The vocabulary is that of the whole file, sorted; `test` is the file's last part.

    Raises UsageError: no such file, not UTF-8, nothing in it, a split that holds no example, a vocabulary beyond 20,000 words.
    """
    chosen = options.OwnText(path=path, unit=unit, lines=lines, length=length, stride=stride, test_share=test_share, encoding=encoding)
    place = Path(path).expanduser()
    whole = _texts(place, chosen)
    part = checked(split, "text")
    found = _part(whole, test_share, part) if lines else [_part(whole[0], test_share, part)]
    names = sorted({token for texts in whole for token in texts})
    if not names:
        raise UsageError(f"text {path}: there is no text in this file")
    if len(names) > MOST:
        raise UsageError(f"text {path}: {len(names):,} different words are more than {MOST:,}; take unit = character")
    index = {name: i for i, name in enumerate(names)}
    if lines:
        room = length or max(len(line) for line in whole)
        return Texts(*padded([[index[token] for token in line] for line in found], room, place, test_share), names, unit)
    flat = np.array([index[token] for token in found[0]], np.int32)
    room = length or WINDOW
    if len(flat) < room:
        few = f"the split '{split}' has {len(flat):,} tokens, fewer than one example of {room}"
        raise UsageError(f"text {path}: {few}; {_remedy(split, test_share, 'length')}")
    return Texts(np.lib.stride_tricks.sliding_window_view(flat, room)[:: stride or room], None, names, unit)


def _texts(path: Path, chosen: options.OwnText) -> list[list[str]]:
    """The tokens of the file: each line's, its end included, or the whole text's as one."""
    if not path.exists():
        raise UsageError(f"text {path}: there is no such file; name one as text:PATH")
    try:
        content = read_text(path, chosen.encoding)
    except UsageError as error:
        raise UsageError(f"text {error}") from None
    characters = chosen.unit == "character"
    if chosen.lines:
        return [tokens_of(line + "\n", characters=characters) for line in content.split("\n") if line.strip()]
    return [tokens_of(content, characters=characters) if content.strip() else []]


def _remedy(split: str, share: float, other: str = "") -> str:
    """What to do where a split holds too little."""
    if split == "test" and share == 0:
        return "dataset.options.test_share = 0 holds nothing back: raise it"
    wanted = "raise" if split == "test" else "lower"
    return f"{wanted} dataset.options.test_share (now {share:g})" + (f", or lower dataset.options.{other}" if other else "")


def _part(whole: list[T], share: float, split: str) -> list[T]:
    """The split's share of a list, in order: the end is `test`."""
    held = round(share * len(whole))
    return whole if not split else whole[len(whole) - held :] if split == "test" else whole[: len(whole) - held]


def padded(lines: Sequence[Sequence[int]], room: int, path: Path, share: float = 0.0) -> tuple[Ints, Ints]:
    """Lines padded to `room` tokens, a longer one cut, and how long each is."""
    if not lines:
        raise UsageError(f"text {path}: no line is in this split; {_remedy('test', share)}")
    rows = np.zeros((len(lines), room), np.int64)
    for row, line in zip(rows, lines, strict=True):
        row[: len(line)] = line[:room]
    return rows, np.array([min(len(line), room) for line in lines], np.int64)


class Sentences:
    """Sentences of the grammar above, by word or letter: example i is a function of (split, i)."""

    def __init__(self, split: str, unit: Unit) -> None:
        self.split, self.unit = checked(split, "sentences"), unit
        self.words = sorted({word for words in KINDS.values() for word in words})
        self.letters = sorted({letter for word in self.words for letter in word} | {" "})
        longest = WORDS * (max(map(len, self.words)) + 1) - 1
        names, room = (self.words, WORDS) if unit == "word" else (self.letters, longest)
        self.spec = _spec(room, names, ragged=True, unit=unit)
        self._first, self._next = law(FIRST).cumsum(), np.stack([law(NEXT[kind]) for kind in KINDS]).cumsum(1)
        self._count = np.array([len(words) for words in KINDS.values()])
        self._said = np.zeros((len(KINDS), self._count.max()), np.int64)  # the words of each kind
        for row, words in zip(self._said, KINDS.values(), strict=True):
            row[: len(words)] = [self.words.index(word) for word in words]

    def __len__(self) -> int:
        return LENGTHS[self.split]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def hidden(self, indices: Sequence[int]) -> tuple[Ints, Ints]:
        """(kinds, words), (n, WORDS) each: indices into `KINDS` and the sorted words. After a full stop there are only full stops."""
        drawn = uniforms(f"sentences/{self.split}", np.asarray(indices, np.int64), 2 * WORDS)
        kinds = np.zeros((len(drawn), WORDS), np.int64)
        for t in range(WORDS):
            cdf = self._next[kinds[:, t - 1]] if t else self._first
            kinds[:, t] = np.minimum((drawn[:, t, None] > cdf).sum(-1), len(KINDS) - 1)  # sums may end below 1 by rounding
        which = (drawn[:, WORDS:] * self._count[kinds]).astype(np.int64)
        return kinds, self._said[kinds, which]

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`: x (n, L) int64, 0 after the end, and length (n,) int64. Nothing is drawn from `noise`."""
        kinds, words = self.hidden(indices)
        length = np.minimum(1 + (kinds < len(KINDS) - 1).sum(1), WORDS)
        if self.unit == "word":
            x = np.where(np.arange(WORDS) < length[:, None], words, 0)
            return {"x": torch.from_numpy(x), "length": torch.from_numpy(length)}
        texts = [" ".join(self.words[word] for word in row[:end]).replace(" .", ".") for row, end in zip(words, length, strict=True)]
        index = {letter: i for i, letter in enumerate(self.letters)}
        rows, ends = padded([[index[letter] for letter in line] for line in texts], self.spec.shape[0], Path("sentences"))
        return {"x": torch.from_numpy(rows), "length": torch.from_numpy(ends)}


def sentences(split: str = "train", unit: Unit = "word") -> Sentences:
    """Sentences of a small grammar, each with a full stop at its end if it comes to one: 2²⁰ and 2¹⁶ of them."""
    options.Sentences(unit=unit)
    return Sentences(split, unit)


def law(chances: dict[str, float]) -> NDArray[np.float64]:
    """The chance of each kind, in the order of `KINDS`."""
    return np.array([chances.get(kind, 0.0) for kind in KINDS])


def _spec(room: int, names: Sequence[str], *, ragged: bool, unit: Unit) -> DataSpec:
    words = unit == "word" and all(len(name) == 1 for name in names)  # else the names say it themselves
    leaves = {"x": Leaf(shape=(room,), classes=len(names), names=tuple(names), words=words)}
    return DataSpec(modality="text", leaves=leaves | ({"length": Leaf(classes=room + 1)} if ragged else {}))
