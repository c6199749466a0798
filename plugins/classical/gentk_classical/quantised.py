"""Numbers that are rounded to levels: a model of what they were before rounding, and the mass of a level."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gentk.protocols import DataSpec, Leaf, Noise


class Bins(NamedTuple):
    """`levels` equally spaced values from `low` to `high`; each stands for all numbers nearest to it."""

    low: float
    high: float
    levels: int

    @classmethod
    def of(cls, leaf: Leaf) -> Bins | None:
        """None where the numbers are not quantised."""
        return cls(*leaf.range, leaf.levels) if leaf.levels > 1 and leaf.range else None

    @property
    def width(self) -> float:
        return (self.high - self.low) / (self.levels - 1)

    @property
    def variance(self) -> float:
        """Of a uniform draw within a bin: by so much do dequantised data vary more than their levels do."""
        return self.width**2 / 12

    def log_volume(self, d: int) -> float:
        """Of the bin of d numbers: what turns the log of a density into that of a mass."""
        return d * math.log(self.width)

    def dequantised(self, x: Tensor, noise: Noise) -> Tensor:
        """x (n, d) drawn uniformly within its bins. With u the draw, E log p(x + u) + log volume ≤ log P(x) (Theis et al. 2016, §3.1)."""
        return x + self.width * (noise.uniform(*x.shape[1:]).to(x) - 0.5)

    def rounded(self, x: Tensor) -> Tensor:
        """The nearest levels."""
        step = ((x - self.low) / self.width).round().clamp(0, self.levels - 1)
        return self.low + self.width * step

    def log_mass(self, x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        """log P(the level x) under N(mean, deviation²), elementwise; the two outermost bins are open, so that the masses sum to 1.

        log(Φ(b) − Φ(a)) on the side of the mean where neither is near 1: exact in the tails.
        """
        level = ((x - self.low) / self.width).round()
        edges = [(x + sign * self.width / 2 - mean) / deviation for sign in (-1, 1)]
        infinite = torch.full_like(edges[0], torch.inf)
        below = torch.where(level <= 0, -infinite, edges[0])
        above = torch.where(level >= self.levels - 1, infinite, edges[1])
        flip = below + above > 0  # the bin lies to the right of the mean: look from the other side
        a, b = torch.where(flip, -above, below), torch.where(flip, -below, above)
        high, low = torch.special.log_ndtr(b), torch.special.log_ndtr(a)
        found: Tensor = high + (-torch.expm1(low - high)).log()
        return found


def flat(x: Tensor) -> Tensor:
    """(n, …) → (n, d) float64."""
    return x.reshape(len(x), -1).double()


def shaped(x: Tensor, data: DataSpec) -> Tensor:
    """(n, d) → (n, …) as the data are: rounded to their levels, float32 or float64."""
    leaf = data.leaves["x"]
    bins = Bins.of(leaf)
    x = bins.rounded(x) if bins else x
    return (x if leaf.double else x.float()).view(-1, *data.shape)
