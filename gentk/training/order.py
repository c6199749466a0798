"""Which examples round k sees, and what is drawn for them: functions of (seed, k), so that no generator's state is ever saved."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..noise import Philox
from ..protocols import Batch, Dataset
from .gate import AHEAD

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


def helper() -> ThreadPoolExecutor:
    """A pool of one thread, in which torch computes without further threads.

    OpenMP makes a team for every thread that computes. Of more teams than cores none stays awake between two operations, and a small
    matrix product of the training itself takes seven times as long.
    """
    threads, pool = torch.get_num_threads(), ThreadPoolExecutor(1, thread_name_prefix="gentk-fetch")
    pool.submit(torch.get_num_threads).result()  # a thread takes the number over when it first asks; then it is the thread's own
    pool.submit(torch.set_num_threads, 1).result()
    torch.set_num_threads(threads)  # but other threads take over the last one that was set
    return pool


SHARE = 4  # data may take one part in so many of a device's free memory


def near(dataset: Dataset, device: torch.device) -> Dataset:
    """The data set on the device, where it can be moved and fits: a batch is then gathered there, and only its indices travel."""
    size = getattr(dataset, "nbytes", None)
    if size is None or device.type not in AHEAD or size * SHARE > room(device):
        return dataset
    moved: Dataset = dataset.to(device)  # type: ignore[attr-defined]
    return moved


def room(device: torch.device) -> int:
    """Bytes that are free on the device."""
    return int(torch.cuda.mem_get_info(device)[0])


def pinned(batch: Batch) -> Batch:
    """The batch in memory that a device reads by itself, while the host goes on."""
    return {key: value.pin_memory() if value.device.type == "cpu" else value for key, value in batch.items()}


class First:
    """The first `size` examples of a data set."""

    def __init__(self, dataset: Dataset, size: int) -> None:
        self.whole, self.size, self.spec = dataset, min(size, len(dataset)), dataset.spec
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
        return self.whole[index]

    def batch(self, indices: Sequence[int] | Indices, noise: Philox | None = None) -> Batch:
        return fetch(self.whole, indices, noise)


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
