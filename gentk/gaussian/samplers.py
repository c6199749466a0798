"""Samplers on Gaussian paths. The fields are the options; torch is needed only to run, so it is imported then.

A first-order step from t to s, on every path and without a division: x_s = α_s x̂ + √(σ_s² − c²) ε̂ + c z.
c = 0 follows the probability-flow ODE (DDIM, Euler, flow matching); c > 0 replaces some of the noise by fresh z.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import UsageError
from ..protocols import Denoiser, Noise, Prediction, Step

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Batch

Spacing = Literal["linspace", "leading", "trailing", "karras", "exponential", "shift"]
Positive = Annotated[float, Field(gt=0)]


def move(p: Prediction, alpha: Tensor, sigma: Tensor, c: Tensor | None = None, z: Tensor | None = None) -> Tensor:
    """The first-order step to (α, σ): α x̂ + √(σ² − c²) ε̂ + c z."""
    if c is None or z is None:
        return alpha * p.x + sigma * p.eps
    return alpha * p.x + (sigma**2 - c**2).clamp(min=0).sqrt() * p.eps + c * z


def fresh(alpha_t: Tensor, sigma_t: Tensor, alpha_s: Tensor, sigma_s: Tensor) -> Tensor:
    """The deviation of x_s given x_t and x: (σ_s/σ_t) √(σ_t² − (α_t σ_s/α_s)²) (Ho et al. 2020, eq. 7, on any path)."""
    return sigma_s / sigma_t * forward(alpha_t, sigma_t, alpha_s, sigma_s)


def forward(alpha_t: Tensor, sigma_t: Tensor, alpha_s: Tensor, sigma_s: Tensor) -> Tensor:
    """The deviation of x_t given x_s: √(σ_t² − (α_t σ_s/α_s)²), which is √β on a chain."""
    deviation: Tensor = (sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2).clamp(min=0).sqrt()
    return deviation


class GaussianSampler(BaseModel):
    """What all of them share: where the times lie, guidance, clipping. A member says how a state moves in `walk`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    needs: ClassVar[type] = Denoiser

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(50, description="Steps from noise to data.")
    spacing: Spacing = Field("trailing", description="How the times between noise and data are spaced.")
    rho: Positive = Field(7.0, description="karras: the larger, the more steps near the data.")
    shift: Positive = Field(3.0, description="shift: the larger, the more steps near the noise.")
    sigma_min: Positive | None = Field(None, description="karras, exponential: the lowest noise level.")
    sigma_max: Positive | None = Field(None, description="karras, exponential: the highest noise level.")
    guidance: Annotated[float, Field(ge=0, le=100)] = Field(1.0, description="Classifier-free guidance; 1 is off.")
    clip: bool = Field(True, description="Clip the guess of the data to its range.")

    def times(self, model: Any) -> Tensor:
        """The times that a walk visits, (steps + 1,), from noise to 0."""
        from .spacings import OPTIONS, SPACINGS

        options = {key: getattr(self, key) for key in OPTIONS.get(self.spacing, ())}
        try:
            return SPACINGS[self.spacing](model.schedule, model.times, self.steps, **options)
        except ValueError as error:
            raise UsageError(f"spacing '{self.spacing}': {error}") from None

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        from .guidance import Guided, clipped

        denoiser: Any = model if self.guidance == 1 else Guided(model, self.guidance)
        denoiser = clipped(denoiser) if self.clip else denoiser
        times = self.times(model)
        x = denoiser.schedule(times[0])[1] * noise.normal(*model.data.shape)
        yield Step(0, self.steps, x)
        for i, (state, guess) in enumerate(self.walk(denoiser, x, times, noise, cond), 1):
            yield Step(i, self.steps, state, guess)

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        """(x_s, x̂) after each step."""
        raise NotImplementedError


class Euler(GaussianSampler):
    """Euler's method for the probability-flow ODE dx = x̂ dα + ε̂ dσ (Song et al. 2021), which in these coordinates is DDIM."""

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for t, s in pairwise(times):
            p = d.denoise(x, t, cond)
            x = move(p, *d.schedule(s))
            yield x, p.x


class DDIM(GaussianSampler):
    """x_s = α_s x̂ + √(σ_s² − c²) ε̂ + c z with c = η times the posterior's deviation (Song et al. 2021, eq. 12); η = 1 is DDPM."""

    eta: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="Fresh noise per step: 0 none, 1 ancestral.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for t, s in pairwise(times):
            p = d.denoise(x, t, cond)
            alpha, sigma = d.schedule(s)
            c = self.eta * fresh(*d.schedule(t), alpha, sigma)
            x = move(p, alpha, sigma, c, noise.normal(*x.shape[1:]) if c > 0 else None)
            yield x, p.x


class Ancestral(GaussianSampler):
    """The reverse chain of Ho et al. 2020 (alg. 2). Both variances of their §3.2 share the posterior's mean; the last step has no noise."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(1000, description="Steps from noise to data.")
    variance: Literal["fixed-small", "fixed-large"] = Field("fixed-small", description="Noise per step: the posterior's, or β.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for t, s in pairwise(times):
            p = d.denoise(x, t, cond)
            here, (alpha, sigma) = d.schedule(t), d.schedule(s)
            small = fresh(*here, alpha, sigma)
            mean = alpha * p.x + (sigma**2 - small**2).clamp(min=0).sqrt() * p.eps
            if s > 0:
                width = small if self.variance == "fixed-small" else forward(*here, alpha, sigma)
                mean = mean + width * noise.normal(*x.shape[1:])
            x = mean
            yield x, p.x


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
