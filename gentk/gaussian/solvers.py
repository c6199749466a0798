"""Samplers of higher order: more from each evaluation of the network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..errors import UsageError
from ..protocols import Denoiser, Noise
from .samplers import GaussianSampler, Positive, move

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Batch


class Heun(GaussianSampler):
    """The trapezoid of dx = x̂ dα + ε̂ dσ: second order, and finite where α(1) = 0 or σ(0) = 0, as nothing is divided.

    On the variance-exploding path it is EDM's sampler without churn (Karras et al. 2022, alg. 1); two evaluations a step.
    """

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(18, description="Steps; two evaluations of the model each but the last.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for t, s in pairwise(times):
            p = d.denoise(x, t, cond)
            (alpha_t, sigma_t), (alpha_s, sigma_s) = d.schedule(t), d.schedule(s)
            y = move(p, alpha_s, sigma_s)
            if sigma_s > 0:
                q = d.denoise(y, s, cond)
                y = x + (alpha_s - alpha_t) * (p.x + q.x) / 2 + (sigma_s - sigma_t) * (p.eps + q.eps) / 2
            x = y
            yield x, p.x


class DPMpp2M(GaussianSampler):
    """DPM-Solver++(2M) (Lu et al. 2022, alg. 2): x̂ extrapolated linearly in λ = log α/σ from the last two; one evaluation a step."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(20, description="Steps from noise to data.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        before: tuple[Tensor, Tensor] | None = None  # (x̂, λ) of the step before
        for t, s in pairwise(times):
            p = d.denoise(x, t, cond)
            (alpha_t, sigma_t), (alpha_s, sigma_s) = d.schedule(t), d.schedule(s)
            log_snr, guess = (alpha_t / sigma_t).log(), p.x
            if before is not None and sigma_s > 0:
                ratio = ((alpha_s / sigma_s).log() - log_snr) / (log_snr - before[1])
                guess = p.x + ratio / 2 * (p.x - before[0])
            x = sigma_s / sigma_t * x + (alpha_s - alpha_t * sigma_s / sigma_t) * guess
            before = p.x, log_snr
            yield x, p.x


class DPMpp2MSDE(GaussianSampler):
    """SDE-DPM-Solver++(2M) (Lu et al. 2022, §5, the midpoint form): DPM-Solver++ for the reverse SDE, fresh noise at every step but the
    last. `eta` scales the noise; 0 is DPM-Solver++(2M)."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(20, description="Steps from noise to data.")
    eta: Annotated[float, Field(ge=0, le=1)] = Field(1.0, description="Fresh noise per step: 0 none, 1 that of the SDE.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        before: tuple[Tensor, Tensor] | None = None  # (x̂, λ) of the step before
        for t, s in pairwise(times):
            p = d.denoise(x, t, cond)
            (alpha_t, sigma_t), (alpha_s, sigma_s) = d.schedule(t), d.schedule(s)
            log_snr, guess = (alpha_t / sigma_t).log(), p.x
            decay = alpha_t * sigma_s / (sigma_t * alpha_s)  # e^-h with h the step of λ
            if before is not None and sigma_s > 0:
                ratio = -decay.log() / (log_snr - before[1])
                guess = p.x + ratio / 2 * (p.x - before[0])
            kept = decay**self.eta  # the noise that was there decays that much faster, and is refilled
            x = sigma_s / sigma_t * kept * x + alpha_s * (1 - decay * kept) * guess
            if sigma_s > 0 and self.eta > 0:
                x = x + sigma_s * (1 - kept**2).sqrt() * noise.normal(*x.shape[1:])
            before = p.x, log_snr
            yield x, p.x


class UniPC(GaussianSampler):
    """UniPC of order 2 with B(h) = e^h − 1 (Zhao et al. 2023, alg. 5-8): DPM-Solver++(2M) predicts, and the evaluation at the predicted
    state, which the next step needs anyway, corrects it first. One evaluation a step."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(20, description="Steps from noise to data.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        past: list[tuple[Tensor, Tensor]] = []  # (x̂, λ) of the last two steps
        start, here = x, d.schedule(times[0])  # the last step's corrected state, and its (α, σ)
        for t, s in pairwise(times):
            p = d.denoise(x, t, cond)
            if past:
                x = unipc_step(start, here, d.schedule(t), past, ahead=p.x)
            start, here, there = x, d.schedule(t), d.schedule(s)
            past = [*past[-1:], (p.x, (here[0] / here[1]).log())]
            x = unipc_step(x, here, there, past if there[1] > 0 else past[-1:])
            yield x, p.x


Scales = tuple["Tensor", "Tensor"]


def unipc_step(x: Tensor, here: Scales, there: Scales, past: list[tuple[Tensor, Tensor]], ahead: Tensor | None = None) -> Tensor:
    """From (α, σ) `here` to `there` with the x̂ of one or two steps, and with `ahead`, x̂ at the predicted end, where it is known."""
    (alpha_t, sigma_t), (alpha_s, sigma_s) = here, there
    decay = alpha_t * sigma_s / (sigma_t * alpha_s)  # e^-h
    h, phi = -decay.log(), decay - 1
    guess, log_snr = past[-1]
    if len(past) == 1:
        change = 0.5 * ((guess if ahead is None else ahead) - guess)
    else:
        ratio = (past[0][1] - log_snr) / h
        slope = (past[0][0] - guess) / ratio
        if ahead is None:
            change = 0.5 * slope
        else:  # the two weights that make the corrector exact for x̂ linear and quadratic in λ
            first = (-phi / h - 1) / phi
            second = 2 * ((phi / h + 1) / h - 0.5) / phi
            weight = (first - second) / (1 - ratio)
            change = weight * slope + (first - weight) * (ahead - guess)
    return sigma_s / sigma_t * x + alpha_s * (1 - decay) * (guess + change)


class Dopri5(GaussianSampler):
    """Dormand & Prince's 5(4) with its own step sizes, scipy's, for the probability-flow ODE on the circle (see `circle`).

    Each sample is integrated by itself, so that its steps do not depend on its neighbours.
    """

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(1, description="Stretches that are shown; in each, the solver takes its own steps.")
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
                x, guess = move(p, *d.schedule(s)), p.x
            yield x, guess
