"""Which examples round k sees, and what is drawn for them: functions of (seed, k), so that no generator's state is ever saved."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..noise import Philox
from ..protocols import Batch, Dataset

Indices = NDArray[np.int64]
_ROUNDS = 6


def mixed(*words: int | str) -> int:
    """A hash of the words to 32 bits: torch's CPU generator throws the upper half of a longer seed away (1 ≡ 1 + 2³²)."""
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=4).digest(), "little")


def permuted(places: Indices, n: int, key: int) -> Indices:
    """Places of a random permutation of range(n): a Feistel network on 2b bits, walked until it lands below n (cycle walking,
    Black & Rogaway 2002). Costs O(len(places)) whatever n is, so a data set of 2⁴⁰ examples shuffles like any other."""
    bits = np.uint64(max(1, math.ceil(math.log2(max(n, 2)) / 2)))
    mask = np.uint64((1 << int(bits)) - 1)
    keys = np.random.Generator(np.random.Philox(key=[key, 0])).integers(0, 2**64, _ROUNDS, dtype=np.uint64)

    def once(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = value >> bits, value & mask
        for k in keys:
            word = (right + k) * np.uint64(0x9E3779B97F4A7C15)
            word ^= word >> np.uint64(29)
            word *= np.uint64(0xBF58476D1CE4E5B9)
            word ^= word >> np.uint64(32)
            left, right = right, left ^ (word & mask)
        return left << bits | right

    out = once(places.astype(np.uint64))
    while (outside := out >= n).any():
        out[outside] = once(out[outside])
    return out.astype(np.int64)


def indices_of(k: int, n: int, batch_size: int, seed: int) -> Indices:
    """The examples of round k (batch_size,): the endless row of epochs, each a permutation of its own."""
    at = np.arange(k * batch_size, (k + 1) * batch_size, dtype=np.int64)
    out = np.empty(batch_size, np.int64)
    for epoch in np.unique(at // n):
        here = at // n == epoch
        out[here] = permuted(at[here] % n, n, mixed(seed, "epoch", int(epoch)))
    return out


class Order:
    """The examples of one round after another. A permutation costs the same for one batch and for many, so many are made at once."""

    ROUNDS = 32

    def __init__(self, n: int, batch_size: int, seed: int) -> None:
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.window, self.indices = -1, np.empty((self.ROUNDS, batch_size), np.int64)

    def __getitem__(self, k: int) -> Indices:
        """`indices_of(k, …)`."""
        window, row = divmod(k, self.ROUNDS)
        if window != self.window:
            self.indices = indices_of(window, self.n, self.ROUNDS * self.batch_size, self.seed).reshape(self.ROUNDS, self.batch_size)
            self.window = window
        found: Indices = self.indices[row]
        return found


def some(n: int, size: int) -> Indices:
    """`size` of n examples: all of them in order or, where there are more, always the same pseudo-random choice. The first ones are often
    of one class."""
    return np.arange(n) if size >= n else permuted(np.arange(size, dtype=np.int64), n, mixed("some", n))


class First:
    """`size` examples of a data set: see `some`."""

    def __init__(self, dataset: Dataset, size: int) -> None:
        self.whole, self.size, self.spec = dataset, min(size, len(dataset)), dataset.spec
        self.chosen = some(len(dataset), self.size)
        if (decoder := getattr(dataset, "decoder", None)) is not None:
            self.decoder = decoder
        if hasattr(dataset, "nbytes"):
            self.nbytes: int = dataset.nbytes

    def to(self, device: torch.device) -> First:
        return First(self.whole.to(device), self.size)  # type: ignore[attr-defined]

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < self.size:
            raise IndexError(index)
        return self.whole[int(self.chosen[index])]

    def batch(self, indices: Sequence[int] | Indices, noise: Philox | None = None) -> Batch:
        return fetch(self.whole, self.chosen[np.asarray(indices, np.int64)], noise)


def fetch(dataset: Dataset, indices: Sequence[int] | Indices, noise: Philox | None = None) -> Batch:
    """The examples as one batch. `noise` (a row per example) is what augmentation draws from, so fetching ahead is safe."""
    whole: Any = getattr(dataset, "batch", None)
    if whole is not None:
        batch: Batch = whole(indices, noise)
        return batch
    rows = [dataset[int(i)] for i in indices]
    return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}


def seed_all(*words: int | str) -> None:
    """Seed torch's generators from a hash. `torch.manual_seed` asks every backend, which costs 90 times as much."""
    torch.default_generator.manual_seed(mixed(*words))
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed(mixed(*words))
    elif torch.backends.mps.is_available():
        torch.mps.manual_seed(mixed(*words))
