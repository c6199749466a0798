"""From data to noise: the probability-flow ODE walked upwards, so that walking down again gives the data back."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from ..protocols import Batch, Denoiser
from ..stages import stages
from .samplers import points


def invert(d: Denoiser, x: Tensor, times: Tensor, cond: Batch, *, iterations: int = 1) -> Tensor:
    """The noise z (n, …) from which DDIM (or Euler), along `times` (falling, as samplers take them), comes to x (n, …).

    Each step solves its own equation: x_t such that the step from t ends at x_s, by fixed-point iteration from x_t = x_s. One iteration
    is DDIM inversion as it is known (Song et al. 2021, §5.4), wrong by as much as the network changes over a step; a few make the way
    back land where it began (Pan et al. 2023). Noise is in units of σ: the walk down starts at σ z.
    """
    path = points(d.schedule, times)
    for s, t in stages(pairwise(reversed(path)), len(path) - 1):
        there = x
        for _ in range(iterations):
            p = d.denoise(there, t.t, cond)
            there = x.add(p.x, alpha=t.alpha - s.alpha).add_(p.eps, alpha=t.sigma - s.sigma)
        x = there
    return x / path[0].sigma
