"""Discrete variables whose joint distribution is known: what a model of them finds can be checked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from gentk.protocols import DataSpec, Leaf

from . import options
from .counters import uniforms
from .splits import checked

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

LENGTHS = {"train": 2**20, "test": 2**16}

CLOUDY = 0.5
SPRINKLER = np.array([0.5, 0.1])  # given: not cloudy, cloudy
RAIN = np.array([0.2, 0.8])
WET = np.array([[0.0, 0.9], [0.9, 0.99]])  # given: sprinkler, rain


class Sprinkler:
    """The lawn of Pearl's and of Russell and Norvig's books: leaf `x` (4,), 0 for no and 1 for yes: cloudy, sprinkler, rain, wet grass."""

    def __init__(self, split: str) -> None:
        self.split = checked(split, "sprinkler")
        self.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(4,), classes=2, names=("no", "yes"))})

    def __len__(self) -> int:
        return LENGTHS[self.split]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {"x": self.batch([index])["x"][0]}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`: x (n, 4) int64. Nothing is drawn from `noise`."""
        u = uniforms(f"sprinkler/{self.split}", np.asarray(indices, np.int64), 4)
        cloudy = (u[:, 0] < CLOUDY).astype(np.int64)
        sprinkler = (u[:, 1] < SPRINKLER[cloudy]).astype(np.int64)
        rain = (u[:, 2] < RAIN[cloudy]).astype(np.int64)
        wet = (u[:, 3] < WET[sprinkler, rain]).astype(np.int64)
        return {"x": torch.from_numpy(np.stack([cloudy, sprinkler, rain, wet], 1))}


def sprinkler(split: str = "train") -> Sprinkler:
    """Clouds, a sprinkler, rain, and the wet grass that either may explain."""
    options.Sprinkler()
    return Sprinkler(split)
