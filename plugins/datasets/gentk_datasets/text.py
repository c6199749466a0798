"""Texts: your own, cut by character, word or byte pairs, and sentences of a grammar whose kinds of words are hidden."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.errors import UsageError
from gentk.protocols import DataSpec, Leaf
from gentk.vocabulary import cut, loaded, size_of
from gentk.vocabulary import split as tokens_of

from . import bpe, options
from .corpus import as_row, documents, files, sliced, stamp
from .counters import uniforms
from .splits import checked

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

Unit = Literal["character", "word", "bpe"]
Ints = NDArray[np.int64]
Rows = TypeVar("Rows", list[list[int]], NDArray[np.integer[Any]])

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

    def __init__(self, rows: NDArray[np.integer[Any]], lengths: Ints | None, leaf: Leaf) -> None:
        self.rows, self.lengths = rows, lengths
        self.spec = _spec(rows.shape[1], leaf, ragged=lengths is not None)

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
    vocabulary: int = 4096,
    tokenizer: str = "",
) -> Texts:
    """The text in the file `path`, or in the files of a folder, in windows or lines. `test` is the last part.

    The vocabulary is that of the whole text, sorted; with unit = bpe it is `tokenizer`, or one that the training part teaches.

    Raises UsageError: no such file, not UTF-8, nothing in it, a split that holds no example, a vocabulary beyond 20,000 words.
    """
    about = {"path": path, "unit": unit, "lines": lines, "length": length, "stride": stride, "test_share": test_share}
    chosen = options.OwnText.model_validate({**about, "encoding": encoding, "vocabulary": vocabulary, "tokenizer": tokenizer})
    place, part = Path(path).expanduser(), checked(split, "text")
    cutter = _cutter(place, chosen, stamp(place))
    if lines:
        whole = [cutter.cut(line) for line in _said(place, chosen)]
        room = length or max(map(len, whole), default=0)
        return Texts(*padded(_part(whole, test_share, part), room, place, test_share), cutter.leaf)
    key = (chosen.unit, chosen.encoding, cutter.name)
    flat = _part(as_row(place, key, lambda: cutter.all(_documents(place, chosen))), test_share, part)
    room = length or WINDOW
    if len(flat) < room:
        few = f"the split '{split}' has {len(flat):,} tokens, fewer than one example of {room}"
        raise UsageError(f"text {path}: {few}; {_remedy(split, test_share, 'length')}")
    return Texts(np.lib.stride_tricks.sliding_window_view(flat, room)[:: stride or room], None, cutter.leaf)


class Cutter:
    """Texts → tokens, by names or by a tokenizer. `leaf`: what the tokens are, without a shape."""

    def __init__(self, names: Sequence[str], unit: Unit, tokenizer: str = "") -> None:
        self.index = {name: i for i, name in enumerate(names)}
        self.characters, self.tokenizer = unit == "character", tokenizer
        words = unit == "word" and all(len(name) == 1 for name in names)  # else the names say it themselves
        classes = size_of(tokenizer) if tokenizer else len(names)
        self.leaf = Leaf(classes=classes, names=tuple(names), words=words, tokenizer=tokenizer)
        self.end = loaded(tokenizer).token_to_id(bpe.END) if tokenizer else None

    @property
    def name(self) -> str:
        """What tells this vocabulary from others."""
        return hashlib.sha256(self.tokenizer.encode() or "\0".join(self.index).encode()).hexdigest()

    def cut(self, text: str) -> list[int]:
        if self.tokenizer:
            return cut(text, (), tokenizer=self.tokenizer)
        return [self.index[token] for token in tokens_of(text, characters=self.characters)]

    def all(self, documents: Iterator[tuple[str, bool]]) -> Iterator[list[int]]:
        """The tokens of documents, in parts; (a document, whether another one follows or went before: then its end is a token)."""
        for document, several in documents:
            for part in sliced(document):
                yield self.cut(part)
            if several and self.end is not None:
                yield [self.end]


@lru_cache(maxsize=4)
def _cutter(place: Path, chosen: options.OwnText, version: tuple[tuple[str, int, int], ...]) -> Cutter:
    """The vocabulary, made once for both splits of files as they are (`version`). Raises UsageError where there is no text, or where it has
    too many words."""
    if chosen.tokenizer and chosen.unit != "bpe":
        raise UsageError("text: a tokenizer cuts with dataset.options.unit = bpe")
    if chosen.unit == "bpe":
        own = bpe.read(chosen.tokenizer) if chosen.tokenizer else bpe.learnt(_training(place, chosen), chosen.vocabulary)
        return Cutter((), "bpe", own)
    found: set[str] = set()
    characters = chosen.unit == "character"
    for said in _said(place, chosen) if chosen.lines else (part for whole, _ in _documents(place, chosen) for part in sliced(whole)):
        found.update(tokens_of(said, characters=characters))
        if len(found) > MOST:
            raise UsageError(f"text {place}: there are more than {MOST:,} different words; take unit = bpe, or character")
    if not found or not any(token.strip() for token in found):
        raise UsageError(f"text {place}: there is no text in this file")
    return Cutter(sorted(found), chosen.unit)


def _documents(place: Path, chosen: options.OwnText) -> Iterator[tuple[str, bool]]:
    """Each document, and whether it is one of several; between documents of characters or words there is a line's end."""
    several = len(files(place)) > 1 or place.suffix.lower() == ".jsonl"
    for said in documents(place, chosen.encoding):
        yield said if not several or chosen.unit == "bpe" or said.endswith("\n") else said + "\n", several


def _said(place: Path, chosen: options.OwnText) -> Iterator[str]:
    """Each line that is not blank, with its end; of a .jsonl each text."""
    for said in documents(place, chosen.encoding):
        parts = [said] if place.suffix.lower() == ".jsonl" else said.split("\n")
        yield from (part + "\n" for part in parts if part.strip())


def _training(place: Path, chosen: options.OwnText) -> Iterator[str]:
    """The training part, by characters."""
    size = sum(len(said) for said in documents(place, chosen.encoding))
    left = size - round(chosen.test_share * size)
    if not size:
        raise UsageError(f"text {place}: there is no text in this file")
    for said in documents(place, chosen.encoding):
        yield from sliced(said[:left])
        left -= min(len(said), left)
        if not left:
            return


def _remedy(split: str, share: float, other: str = "") -> str:
    """What to do where a split holds too little."""
    if split == "test" and share == 0:
        return "dataset.options.test_share = 0 holds nothing back: raise it"
    wanted = "raise" if split == "test" else "lower"
    return f"{wanted} dataset.options.test_share (now {share:g})" + (f", or lower dataset.options.{other}" if other else "")


def _part(whole: Rows, share: float, split: str) -> Rows:
    """The split's share of a row, in order: the end is `test`."""
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
        self.spec = _spec(room, Cutter(names, unit).leaf, ragged=True)
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


def sentences(split: str = "train", unit: Literal["character", "word"] = "word") -> Sentences:
    """Sentences of a small grammar, each with a full stop at its end if it comes to one: 2²⁰ and 2¹⁶ of them."""
    options.Sentences(unit=unit)
    return Sentences(split, unit)


def law(chances: dict[str, float]) -> NDArray[np.float64]:
    """The chance of each kind, in the order of `KINDS`."""
    return np.array([chances.get(kind, 0.0) for kind in KINDS])


def _spec(room: int, leaf: Leaf, *, ragged: bool) -> DataSpec:
    leaves = {"x": leaf.model_copy(update={"shape": (room,)})}
    return DataSpec(modality="text", leaves=leaves | ({"length": Leaf(classes=room + 1)} if ragged else {}))
