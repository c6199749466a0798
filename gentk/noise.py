"""One counter-based stream per sample: Philox with key (seed, index) and a counter offset by the fork's name.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". The streams belong to the samples, so sample i of a seed is the
same whatever stands beside it in the batch. Drawing happens on the host: a device only ever receives the numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_WORD = 2**64 - 1


def pick(logits: Tensor, u: Tensor) -> Tensor:
    """Classes by inverse CDF: logits (…, K), u (…) in [0, 1) → (…) int64. One uniform a draw; never a class of probability zero."""
    cdf = logits.detach().float().softmax(-1).cumsum(-1, dtype=torch.float64)
    target = u.to(cdf.device)[..., None] * cdf[..., -1:]
    return torch.searchsorted(cdf, target, right=True)[..., 0].clamp_(max=logits.shape[-1] - 1)


class Philox:
    """The `Noise` of samples `indices` under `seed`. `dtype` widens the normals, whose values are float32's whatever it is."""

    def __init__(
        self,
        seed: int,
        indices: Sequence[int],
        device: torch.device | str = "cpu",
        *,
        dtype: torch.dtype = torch.float32,
        name: str = "",
        streams: list[np.random.Generator] | None = None,
    ) -> None:
        self.seed, self.indices, self.device, self.dtype, self.name = seed, [int(i) for i in indices], torch.device(device), dtype, name
        self._begun = streams

    @property
    def _streams(self) -> list[np.random.Generator]:
        """Made when they are first drawn from: of what could be asked for, little is, and a stream takes longer than what it gives."""
        if self._begun is None:
            counter = [0, 0, 0, zlib.crc32(self.name.encode())]
            self._begun = [np.random.Generator(np.random.Philox(key=[self.seed & _WORD, i], counter=counter)) for i in self.indices]
        return self._begun

    def __len__(self) -> int:
        return len(self.indices)

    def normal(self, *shape: int) -> Tensor:
        """N(0, 1), (n, *shape) on the model's device."""
        out = np.empty((len(self), *shape), np.float32)
        for row, stream in zip(out.reshape(len(self), -1), self._streams, strict=True):
            stream.standard_normal(out=row, dtype=np.float32)
        return torch.from_numpy(out).to(self.device, self.dtype, non_blocking=True)

    def uniform(self, *shape: int) -> Tensor:
        """U[0, 1), (n, *shape) float64 on the host."""
        if not shape:
            return torch.tensor([stream.random() for stream in self._streams], dtype=torch.float64)
        out = np.empty((len(self), *shape), np.float64)
        for row, stream in zip(out.reshape(len(self), -1), self._streams, strict=True):
            stream.random(out=row)
        return torch.from_numpy(out)

    def categorical(self, logits: Tensor) -> Tensor:
        """Classes from logits (n, …, K) → (n, …) int64 on their device."""
        return pick(logits, self.uniform(*logits.shape[1:-1]))

    def fork(self, name: str) -> Philox:
        """Streams of their own for another purpose; this one stays where it is. A few µs a row once drawn from: per call, not per step."""
        return Philox(self.seed, self.indices, self.device, dtype=self.dtype, name=f"{self.name}/{name}")

    def __getitem__(self, rows: Sequence[int] | slice) -> Philox:
        chosen = range(len(self))[rows] if isinstance(rows, slice) else [int(r) for r in rows]
        streams = [self._streams[r] for r in chosen]
        indices = [self.indices[r] for r in chosen]
        return Philox(self.seed, indices, self.device, dtype=self.dtype, name=self.name, streams=streams)
