"""One counter-based stream per sample: Philox 4×32-10 with the seed as key and (block, fork, index) as counter.

The streams belong to the samples, so sample i of a seed is the same whatever stands beside it in the batch. A call makes the numbers of
all its rows at once: on the host with numpy, on a CUDA device there, and they are the same numbers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .philox import LOW, normals, philox, uniforms

AHEAD = {"cpu": 1 << 12, "cuda": 1 << 20}  # blocks that are made before they are asked for, at most: small calls cost more than numbers
TOGETHER = 1 << 14  # blocks made at a time on the host: what they need fits into a core's cache

Indices = Sequence[int] | NDArray[np.int64]


def pick(logits: Tensor, u: Tensor) -> Tensor:
    """Classes by inverse CDF: logits (…, K), u (…) in [0, 1) → (…) int64. One uniform a draw; never a class of probability zero."""
    logits = logits.detach()
    if logits.ndim > 1 and not any(logits.stride()[:-1]):  # one row, expanded
        logits = logits[(0,) * (logits.ndim - 1)]
    cdf = logits.float().softmax(-1).cumsum(-1, dtype=torch.float64)
    total, u = cdf[..., -1], u.to(cdf.device, non_blocking=True)
    found = torch.searchsorted(cdf, u * total, right=True) if cdf.ndim == 1 else _rowwise(cdf, u * total)
    return found.clamp_(max=logits.shape[-1] - 1)


def _rowwise(cdf: Tensor, target: Tensor) -> Tensor:
    return torch.searchsorted(cdf, target[..., None], right=True)[..., 0]


class Made(NamedTuple):
    """The numbers of blocks `start` … of each row, (n, blocks, numbers of a block)."""

    start: int
    numbers: Tensor

    def __contains__(self, blocks: object) -> bool:
        return isinstance(blocks, range) and self.start <= blocks.start and blocks.stop <= self.start + self.numbers.shape[1]


class Philox:
    """The `Noise` of samples `indices` under `seed`. `dtype` widens the normals, whose values are float32's whatever it is.

    Each call takes whole blocks of four words from every row's stream: a normal is made of one word, a uniform of two.
    """

    def __init__(
        self,
        seed: int,
        indices: Indices,
        device: torch.device | str = "cpu",
        *,
        dtype: torch.dtype = torch.float32,
        name: str = "",
    ) -> None:
        self.seed, self.device, self.dtype, self.name = seed, torch.device(device), dtype, name
        made = np.arange(indices.start, indices.stop, indices.step) if isinstance(indices, range) else np.array(indices, np.int64)
        self.indices: NDArray[np.int64] = made.astype(np.int64, copy=False)  # of a range not number by number
        self._taken: NDArray[np.int64] = np.zeros(len(self.indices), np.int64)  # blocks of each row; rows that are picked share it
        self._rows: NDArray[np.int64] | slice = slice(None)  # which of `_taken` are these
        self._ahead: dict[Kind, Made] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def normal(self, *shape: int) -> Tensor:
        """N(0, 1), (n, *shape) on the model's device."""
        place = self.device if self.device.type == "cuda" else torch.device("cpu")
        return self._drawn(_normals, 4, shape, place).to(self.device, self.dtype, non_blocking=True)

    def uniform(self, *shape: int) -> Tensor:
        """U[0, 1), (n, *shape) float64 on the host."""
        return self._drawn(_uniforms, 2, shape, torch.device("cpu"))

    def categorical(self, logits: Tensor) -> Tensor:
        """Classes from logits (n, …, K) → (n, …) int64 on their device."""
        return pick(logits, self.uniform(*logits.shape[1:-1]))

    def fork(self, name: str) -> Philox:
        """Streams of their own for another purpose; this one stays where it is."""
        return Philox(self.seed, self.indices, self.device, dtype=self.dtype, name=f"{self.name}/{name}")

    def __getitem__(self, rows: Sequence[int] | slice) -> Philox:
        chosen = np.arange(len(self))[rows if isinstance(rows, slice) else np.asarray(rows, np.int64)]
        some = Philox(self.seed, self.indices[chosen], self.device, dtype=self.dtype, name=self.name)
        some._taken, some._rows = self._taken, np.arange(len(self._taken))[self._rows][chosen]
        return some

    def _drawn(self, kind: Kind, per_block: int, shape: tuple[int, ...], place: torch.device) -> Tensor:
        """The next numbers of each row, (n, *shape): `per_block` of each of its blocks."""
        count, n = math.prod(shape), len(self)
        at = self._taken[self._rows].copy()
        blocks = -(-count // per_block)
        self._taken[self._rows] += blocks
        if not n * count:
            return kind(*self._pairs(slice(0), 0, 0, place)).new_empty(n, *shape)
        together = bool((at == at[0]).all())
        if together and n * blocks <= AHEAD[place.type]:
            start = int(at[0])
            made = self._buffered(kind, range(start, start + blocks), place)
            found = made.numbers[:, start - made.start : start - made.start + blocks]
        else:
            pairs = 1 if 2 * count <= per_block else 2  # of a single block, the second is not looked at
            step = max(1, (TOGETHER if place.type == "cpu" else AHEAD[place.type]) // blocks)
            parts = [slice(low, low + step) for low in range(0, n, step)]

            words = (self._pairs(rows, at[0] if together else at[rows, None], blocks, place, pairs) for rows in parts)
            found = torch.cat([kind(*pair) for pair in words])
        return found.reshape(n, -1)[:, :count].reshape(n, *shape)

    def _buffered(self, kind: Kind, blocks: range, place: torch.device) -> Made:
        """Numbers with these blocks among them, the blocks after them made along: twice as many each time."""
        made = self._ahead.get(kind)
        if made is None or blocks not in made:
            width = 0 if made is None else min(2 * made.numbers.shape[1], AHEAD[place.type] // len(self))
            width = max(1, width // len(blocks)) * len(blocks)
            made = self._ahead[kind] = Made(blocks.start, kind(*self._pairs(slice(None), blocks.start, width, place)))
        return made

    def _pairs(self, rows: slice, start: Any, blocks: int, place: torch.device, pairs: int = 2) -> tuple[Any, Any]:
        """The words of blocks `start` … (a number, or (n, 1)) of some rows as pairs, (n, blocks, pairs) each."""
        index: Any = self.indices[rows, None]
        block: Any = start + np.arange(blocks)[None]
        if place.type == "cuda":
            index, block = (torch.from_numpy(v).to(place, non_blocking=True) for v in (index, block))
        key = self.seed & LOW, self.seed >> 32 & LOW
        words = philox((block, zlib.crc32(self.name.encode()), index & LOW, index >> 32 & LOW), key)
        stack = np.stack if place.type == "cpu" else torch.stack
        return stack(words[::2][:pairs], -1), stack(words[1::2][:pairs], -1)


Kind = Callable[[Any, Any], Tensor]


def _normals(first: Any, second: Any) -> Tensor:
    """float32 (n, blocks, 2 · pairs)."""
    like: dict[str, Any] = {} if isinstance(first, np.ndarray) else {"device": first.device}
    out = torch.empty((*first.shape, 2), dtype=torch.float32, **like)
    for k, z in enumerate(normals(first, second)):
        out[..., k] = torch.as_tensor(z)
    return out.flatten(2)


def _uniforms(first: Any, second: Any) -> Tensor:
    """float64 (n, blocks, pairs)."""
    return torch.as_tensor(uniforms(first, second))
