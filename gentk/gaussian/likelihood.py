"""log p(x) of a denoiser by the probability-flow ODE (Song et al. 2021, app. D.2), on the circle.

log p(x) = log N(y₁) + ∫ div(dy/dθ) dθ along the way from the data to noise, by the classical Runge-Kutta method.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..protocols import Batch, Denoiser, Noise
from ..stages import stages
from .circle import angle, lowest, slope

EXACT = 16  # numbers in an example up to which the divergence is summed in full: one backward pass each


Count = Annotated[int, Field(ge=1)]


def log_prob(d: Denoiser, batch: Batch, noise: Noise, *, steps: Count = 50, probes: Count | None = None) -> Tensor:
    """Nats per example, (n,), for batch["x"] (n, …) under its conditions; 4 · `steps` evaluations and as many divergences.

    The divergence is exact up to 16 numbers an example, else Hutchinson's estimate with `probes` (1) random signs, the same ones along
    the whole way, which leaves it unbiased. Quantised data (`levels`) are dequantised by a uniform draw within their bin, and what comes
    back is then a mass: a draw of a lower bound. The network is asked from its lowest noise level on, as if the data were there.
    """
    leaf = d.data.leaves["x"]
    x = batch["x"]
    cond = {key: value for key, value in batch.items() if key in d.conditions}
    volume = 0.0
    if leaf.levels and leaf.range:
        width = (leaf.range[1] - leaf.range[0]) / (leaf.levels - 1)
        x = x + width * (noise.uniform(*x.shape[1:]) - 0.5).to(x)
        volume = x[0].numel() * math.log(width)
    size = x[0].numel()
    exact = probes is None and size <= EXACT
    if exact:
        signs = torch.eye(size, dtype=x.dtype, device=x.device).view(size, 1, *x.shape[1:]).expand(-1, *x.shape)
    else:
        count = probes or 1
        signs = (noise.uniform(count, *x.shape[1:]) < 0.5).to(x).mul(2).sub(1).transpose(0, 1)
    low, high = angle(d.schedule, lowest(d)), angle(d.schedule, d.times[1])
    # Cubes of equal steps: data live on fine scales, so most of the way's bends are near θ = 0.
    thetas = torch.linspace(low ** (1 / 3), high ** (1 / 3), steps + 1, dtype=torch.float64).pow(3).tolist()
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    y = x
    for a, b in stages(pairwise(thetas), steps):
        y, grown = _runge_kutta(d, y, a, b, cond, signs, 1 if exact else len(signs))
        total += grown
    deviation = math.sin(high)
    prior = -0.5 * (y / deviation).double().square().flatten(1).sum(1) - size * (0.5 * math.log(2 * math.pi) + math.log(deviation))
    return prior + total + volume


def _runge_kutta(d: Denoiser, y: Tensor, a: float, b: float, cond: Batch, signs: Tensor, share: int) -> tuple[Tensor, Tensor]:
    """One step from θ = a to b: the new state, and ∫ div (n,)."""
    h, middle = b - a, (a + b) / 2
    k1, d1 = _slope_and_divergence(d, y, a, cond, signs, share)
    k2, d2 = _slope_and_divergence(d, y + h / 2 * k1, middle, cond, signs, share)
    k3, d3 = _slope_and_divergence(d, y + h / 2 * k2, middle, cond, signs, share)
    k4, d4 = _slope_and_divergence(d, y + h * k3, b, cond, signs, share)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), h / 6 * (d1 + 2 * d2 + 2 * d3 + d4)


def _slope_and_divergence(d: Denoiser, y: Tensor, theta: float, cond: Batch, signs: Tensor, share: int) -> tuple[Tensor, Tensor]:
    """dy/dθ, and Σ vᵀ J v over the vectors v of `signs` (k, n, …), divided by `share`: 1 for a basis, k for k probes."""
    with torch.enable_grad():
        y = y.detach().requires_grad_()
        f = slope(d, y, theta, cond)
        found = torch.zeros(len(y), dtype=torch.float64, device=y.device)
        for i, v in enumerate(signs):
            (back,) = torch.autograd.grad(f, y, v, retain_graph=i + 1 < len(signs))
            found += (back * v).flatten(1).sum(1).double()
    return f.detach(), found / share
