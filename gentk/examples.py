"""Examples of a data set: several as one batch, and of many always the same choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .noise import Philox
from .permutation import Indices, mixed, permuted
from .protocols import Batch, Dataset


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
