"""From data to noise: the probability-flow ODE walked upwards, so that walking down again gives the data back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor

from ..protocols import Batch, Denoiser
from .samplers import move


def invert(d: Denoiser, x: Tensor, times: Tensor, cond: Batch, *, iterations: int = 1) -> Tensor:
    """The noise z (n, …) from which DDIM (or Euler), along `times` (falling, as samplers take them), comes to x (n, …).

    Each step solves its own equation: x_t such that the step from t ends at x_s, by fixed-point iteration from x_t = x_s. One iteration
    is DDIM inversion as it is known (Song et al. 2021, §5.4), wrong by as much as the network changes over a step; a few make the way
    back land where it began (Pan et al. 2023). Noise is in units of σ: the walk down starts at σ z.
    """
    up: Any = times.flip(0)
    for s, t in pairwise(up):
        (alpha_s, sigma_s), (alpha_t, sigma_t) = d.schedule(s), d.schedule(t)
        there = x
        for _ in range(iterations):
            p = d.denoise(there, t, cond)
            there = x + move(p, alpha_t - alpha_s, sigma_t - sigma_s)
        x = there
    return x / d.schedule(times[0])[1]
