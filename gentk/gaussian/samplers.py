"""What samplers on Gaussian paths share, and those of first order. The fields are the options; torch is imported only to run.

A first-order step from t to s, on every path and without a division: x_s = α_s x̂ + √(σ_s² − c²) ε̂ + c z.
c = 0 follows the probability-flow ODE (DDIM, Euler, flow matching); c > 0 replaces some of the noise by fresh z.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ..conditions import File
from ..errors import UsageError
from ..protocols import Condition, DataSpec, Denoiser, Noise, Prediction, Schedule, Step

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Batch

Spacing = Literal["linspace", "leading", "trailing", "karras", "exponential", "shift"]
Positive = Annotated[float, Field(gt=0)]


@cache
def _files(shape: tuple[int, ...], modality: str) -> dict[str, Condition]:
    """Made once: to validate four fields takes as long as a step."""
    mask = (1, *shape[1:]) if len(shape) == 3 else shape
    return {
        "start": File(shape=shape, modality=modality, help="Begin with this, noised as far as --strength says."),
        "noise": File(shape=shape, modality=modality, help="Begin with this noise, as `gentk encode` writes it."),
        "known": File(shape=shape, modality=modality, help="Fill in the rest of this, which stays as it is."),
        "known_mask": File(shape=mask, modality=modality, mask=True, help="What of it is known: white (or opaque), or above 0."),
    }


class Point(NamedTuple):
    """A time of a walk and the path there. Numbers, not tensors: they cost nothing, and multiply on every device."""

    t: Tensor
    alpha: float
    sigma: float

    @property
    def log_snr(self) -> float:
        """λ = log α/σ, infinite at exact ends."""
        if self.alpha == 0 or self.sigma == 0:
            return -math.inf if self.sigma else math.inf
        return math.log(self.alpha / self.sigma)


def points(schedule: Schedule, times: Tensor) -> list[Point]:
    """Asked for one by one, as the network will: a schedule that remembers has them from the last walk, or for the network."""
    return [Point(t, float(alpha), float(sigma)) for t in times for alpha, sigma in (schedule(t),)]


def move(p: Prediction, to: Point, c: float = 0.0, z: Tensor | None = None) -> Tensor:
    """The first-order step: α x̂ + √(σ² − c²) ε̂ + c z."""
    state = p.x.mul(to.alpha).add_(p.eps, alpha=math.sqrt(max(to.sigma**2 - c**2, 0.0)))
    return state if z is None else state.add_(z, alpha=c)


def fresh(t: Point, s: Point) -> float:
    """The deviation of x_s given x_t and x: (σ_s/σ_t) √(σ_t² − (α_t σ_s/α_s)²) (Ho et al. 2020, eq. 7, on any path)."""
    return s.sigma / t.sigma * forward(t, s)


def forward(t: Point, s: Point) -> float:
    """The deviation of x_t given x_s: √(σ_t² − (α_t σ_s/α_s)²), which is √β on a chain."""
    return math.sqrt(max(t.sigma**2 - (t.alpha / s.alpha * s.sigma) ** 2, 0.0))


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
    guidance: Annotated[float, Field(ge=0, le=100)] = Field(1.0, description="Classifier-free guidance; 1 is off, 0 asks for nothing.")
    guidance_low: Annotated[float, Field(ge=0)] = Field(0.0, description="Guide only above this noise level.")
    guidance_high: Positive | None = Field(None, description="Guide only below this noise level.")
    guidance_rescale: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="How far guidance may not change the deviation.")
    clip: bool = Field(True, description="Clip the guess of the data to its range.")
    threshold: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="Clip at this quantile and scale back (dynamic).")
    strength: Annotated[float, Field(gt=0, le=1)] = Field(0.6, description="With --start: the share of the steps that are taken.")

    def times(self, model: Any) -> Tensor:
        """The times that a walk visits, (steps + 1,), from noise to 0."""
        from .spacings import OPTIONS, SPACINGS

        options = {key: getattr(self, key) for key in OPTIONS.get(self.spacing, ())}
        try:
            return SPACINGS[self.spacing](model.schedule, model.times, self.steps, **options)
        except ValueError as error:
            raise UsageError(f"spacing '{self.spacing}': {error}") from None

    @staticmethod
    def conditions(data: DataSpec) -> dict[str, Condition]:
        """What any of them can be asked for, beside the model's own conditions."""
        return dict(_files(data.shape, data.modality))

    def denoiser(self, model: Any, *, knowing: bool) -> Any:
        """The model with guidance and clipping, and, `knowing`, with what is known filled in."""
        from .editing import Known
        from .guidance import bounded, classifier_free

        d = model
        if self.guidance != 1:
            high = math.inf if self.guidance_high is None else self.guidance_high
            d = classifier_free(d, self.guidance, interval=(self.guidance_low, high), rescale=self.guidance_rescale)
        d = bounded(d, clip=self.clip, threshold=self.threshold)
        return Known(d) if knowing else d

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        own = {key: cond[key] for key in self.conditions(model.data) if key in cond and key not in model.conditions}
        if ("known" in own) != ("known_mask" in own):
            raise UsageError("known and known_mask are given together: what is known, and where")
        told = {key: value for key, value in cond.items() if key not in ("start", "noise") or key not in own}
        d, times = self.denoiser(model, knowing="known" in own), self.times(model)
        if "start" in own:  # the last steps only
            times = times[self.steps - max(1, round(self.steps * self.strength)) :]
        alpha, sigma = d.schedule(times[0])
        fresh = own["noise"] if "noise" in own else noise.normal(*model.data.shape)
        x = sigma * fresh
        if "start" in own:
            x += alpha * own["start"]
        total = self.length(times)
        yield Step(0, total, x)
        for i, (state, guess) in enumerate(self.walk(d, x, times, noise, told), 1):
            yield Step(i, total, state, guess)

    def length(self, times: Tensor) -> int:
        """How many steps a walk along these times has."""
        return len(times) - 1

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        """(x_s, x̂) after each step."""
        raise NotImplementedError


class Euler(GaussianSampler):
    """Euler's method for the probability-flow ODE dx = x̂ dα + ε̂ dσ (Song et al. 2021), which in these coordinates is DDIM."""

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for t, s in pairwise(points(d.schedule, times)):
            p = d.denoise(x, t.t, cond)
            x = move(p, s)
            yield x, p.x


class DDIM(GaussianSampler):
    """x_s = α_s x̂ + √(σ_s² − c²) ε̂ + c z with c = η times the posterior's deviation (Song et al. 2021, eq. 12); η = 1 is DDPM."""

    eta: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="Fresh noise per step: 0 none, 1 ancestral.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for t, s in pairwise(points(d.schedule, times)):
            p = d.denoise(x, t.t, cond)
            c = self.eta and self.eta * fresh(t, s)
            x = move(p, s, c, noise.normal(*x.shape[1:]) if c > 0 else None)
            yield x, p.x


class Ancestral(GaussianSampler):
    """The reverse chain of Ho et al. 2020 (alg. 2). Both variances of their §3.2 share the posterior's mean; the last step has no noise."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(1000, description="Steps from noise to data.")
    variance: Literal["fixed-small", "fixed-large"] = Field("fixed-small", description="Noise per step: the posterior's, or β.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for t, s in pairwise(points(d.schedule, times)):
            p = d.denoise(x, t.t, cond)
            small = fresh(t, s)
            x = move(p, s, small)
            if s.sigma > 0:
                x.add_(noise.normal(*x.shape[1:]), alpha=small if self.variance == "fixed-small" else forward(t, s))
            yield x, p.x


class Consistency(GaussianSampler):
    """x_s = α_s x̂ + σ_s z: to the data and back to a lower noise level, all of it fresh (Song et al. 2023, alg. 1; latent consistency
    models, Luo et al. 2023). For networks whose x̂ is good from any level in one evaluation."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(4, description="Steps from noise to data.")

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for t, s in pairwise(points(d.schedule, times)):
            p = d.denoise(x, t.t, cond)
            x = move(p, s, s.sigma, noise.normal(*x.shape[1:]) if s.sigma > 0 else None)
            yield x, p.x


class RePaint(Ancestral):
    """Inpainting that goes back and forth (Lugmayr et al. 2022, alg. 1): every `jump` steps the state is noised again by as many, and
    denoised anew, `resamples` times in all, so that what is filled in and what is known come to agree."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(50, description="Steps from noise to data, without those repeated.")
    jump: Annotated[int, Field(ge=1, le=1000)] = Field(5, description="How many steps are taken back at a time.")
    resamples: Annotated[int, Field(ge=1, le=1000)] = Field(4, description="How often each stretch is walked.")

    def length(self, times: Tensor) -> int:
        return super().length(times) * self.resamples

    def walk(self, d: Denoiser, x: Tensor, times: Tensor, noise: Noise, cond: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for k in range(0, len(times) - 1, self.jump):
            stretch = times[k : k + self.jump + 1]
            for again in range(self.resamples):
                if again:
                    t, *_, s = points(d.schedule, stretch)
                    x = t.alpha / s.alpha * x + forward(t, s) * noise.normal(*x.shape[1:])
                for state, guess in super().walk(d, x, stretch, noise, cond):
                    x = state
                    yield state, guess
