"""Samplers of higher order: more from each evaluation of the network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..protocols import Denoiser, Noise
from .samplers import GaussianSampler, Point, Positive, move, points

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Batch


class Heun(GaussianSampler):
    """The trapezoid of dx = x̂ dα + ε̂ dσ: second order, and finite where α(1) = 0 or σ(0) = 0, as nothing is divided.

    On the variance-exploding path it is EDM's sampler without churn (Karras et al. 2022, alg. 1); two evaluations a step.
    """

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(18, description="Steps; two evaluations of the model each but the last.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for t, s in pairwise(points(d.schedule, times)):
            p = d.denoise(x, t.t, cond)
            y = move(p, s)
            if s.sigma > 0:
                q = d.denoise(y, s.t, cond)
                # Half-way to y is half a step with the slope here; the other half is with the slope there.
                y = x.lerp(y, 0.5).add_(q.x, alpha=(s.alpha - t.alpha) / 2).add_(q.eps, alpha=(s.sigma - t.sigma) / 2)
            x = y
            yield x, p.x


Before = tuple["Tensor", float]  # x̂ and λ of a step before


def half_ahead(x: Tensor, t: Point, s: Point, before: Before | None) -> Tensor:
    """x̂ half a step on, by the straight line in λ through the last two; where there is only one, or no λ to go to, that one."""
    if before is None or s.sigma == 0:
        return x
    ratio = (s.log_snr - t.log_snr) / (t.log_snr - before[1])
    return before[0].lerp(x, 1 + ratio / 2)


class DPMpp2M(GaussianSampler):
    """DPM-Solver++(2M) (Lu et al. 2022, alg. 2): x̂ extrapolated linearly in λ = log α/σ from the last two; one evaluation a step."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(20, description="Steps from noise to data.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        before: Before | None = None
        for t, s in pairwise(points(d.schedule, times)):
            p = d.denoise(x, t.t, cond)
            guess = half_ahead(p.x, t, s, before)
            x = x.mul(s.sigma / t.sigma).add_(guess, alpha=s.alpha - t.alpha * s.sigma / t.sigma)
            before = p.x, t.log_snr
            yield x, p.x


class DPMpp2MSDE(GaussianSampler):
    """SDE-DPM-Solver++(2M) (Lu et al. 2022, §5, the midpoint form): DPM-Solver++ for the reverse SDE, fresh noise at every step but the
    last. `eta` scales the noise; 0 is DPM-Solver++(2M)."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(20, description="Steps from noise to data.")
    eta: Annotated[float, Field(ge=0, le=1)] = Field(1.0, description="Fresh noise per step: 0 none, 1 that of the SDE.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        before: Before | None = None
        for t, s in pairwise(points(d.schedule, times)):
            p = d.denoise(x, t.t, cond)
            guess = half_ahead(p.x, t, s, before)
            decay = t.alpha * s.sigma / (t.sigma * s.alpha)  # e^-h with h the step of λ
            kept = decay**self.eta  # the noise that was there decays that much faster, and is refilled
            x = x.mul(s.sigma / t.sigma * kept).add_(guess, alpha=s.alpha * (1 - decay * kept))
            if s.sigma > 0 and self.eta > 0:
                x.add_(noise.normal(*x.shape[1:]), alpha=s.sigma * (1 - kept**2) ** 0.5)
            before = p.x, t.log_snr
            yield x, p.x


class UniPC(GaussianSampler):
    """UniPC of order 2 with B(h) = e^h − 1 (Zhao et al. 2023, alg. 5-8): DPM-Solver++(2M) predicts, and the evaluation at the predicted
    state, which the next step needs anyway, corrects it first. One evaluation a step."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(20, description="Steps from noise to data.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        past: list[Before] = []  # of the last two steps
        path = points(d.schedule, times)
        start, before = x, path[0]  # the last step's corrected state, and where it was
        for t, s in pairwise(path):
            p = d.denoise(x, t.t, cond)
            if past:
                x = unipc_step(start, before, t, past, ahead=p.x)
            start, before = x, t
            past = [*past[-1:], (p.x, t.log_snr)]
            x = unipc_step(x, t, s, past if s.sigma > 0 else past[-1:])
            yield x, p.x


def unipc_step(x: Tensor, t: Point, s: Point, past: list[Before], ahead: Tensor | None = None) -> Tensor:
    """From t to s with the x̂ of one or two steps, and with `ahead`, x̂ at the predicted end, where it is known."""
    decay = t.alpha * s.sigma / (t.sigma * s.alpha)  # e^-h
    h, phi = s.log_snr - t.log_snr, decay - 1
    guess, log_snr = past[-1]
    if len(past) == 2:
        ratio = (past[0][1] - log_snr) / h
        if ahead is None:
            guess = guess.lerp(past[0][0], 0.5 / ratio)
        else:  # the two weights that make the corrector exact for x̂ linear and quadratic in λ
            first = (-phi / h - 1) / phi
            second = 2 * ((phi / h + 1) / h - 0.5) / phi
            weight = (first - second) / (1 - ratio)
            guess = guess.lerp(past[0][0], weight / ratio).add_(ahead - guess, alpha=first - weight)
    elif ahead is not None:
        guess = guess.lerp(ahead, 0.5)
    return x.mul(s.sigma / t.sigma).add_(guess, alpha=s.alpha * (1 - decay))


class Dopri5(GaussianSampler):
    """Dormand & Prince's 5(4) with its own step sizes, scipy's, for the probability-flow ODE on the circle (see `circle`).

    Each sample is integrated by itself, so that its steps do not depend on its neighbours.
    """

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1, description="Stretches shown; in each the solver takes steps of its own."
    )
    rtol: Positive = Field(1e-4, description="Relative error allowed per step.")
    atol: Positive = Field(1e-4, description="Absolute error allowed per step.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        from .circle import integrate, lowest

        low = lowest(d)
        for t, s in pairwise(times):
            guess = d.denoise(x, t, cond).x
            stop = s.clamp(min=low)
            alone = [
                integrate(d, x[i : i + 1], t, stop, {k: v[i : i + 1] for k, v in cond.items()}, self.rtol, self.atol) for i in range(len(x))
            ]
            x = torch.cat(alone)
            if s < stop:  # the rest of the way is one step: there the network knows no better
                p = d.denoise(x, stop, cond)
                x, guess = move(p, points(d.schedule, s[None])[0]), p.x
            yield x, guess
