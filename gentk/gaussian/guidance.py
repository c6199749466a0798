"""Denoiser → Denoiser wrappers: guidance, and what keeps the guess of the data in bounds. The sampler never knows."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..protocols import Batch, Denoiser, Guide, Prediction, Schedule, can
from .schedules import scales, solved


class Wrapped(nn.Module):
    """A Denoiser around another: everything but `denoise` is the inner one's."""

    def __init__(self, inner: Denoiser) -> None:
        super().__init__()
        self.inner = inner
        self.Config, self.config = inner.Config, inner.config
        self.schedule, self.times, self.data, self.conditions = inner.schedule, inner.times, inner.data, inner.conditions
        for name in ("latents", "sampler", "recommended_sampler"):
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        return self.inner.denoise(x_t, t, cond)


def given_data(x: Tensor, x_t: Tensor, eps: Tensor, schedule: Schedule, t: Tensor) -> Prediction:
    """Both estimates from one of x: ε̂ such that α x̂ + σ ε̂ is still x_t; `eps` where σ = 0 and any would do."""
    alpha, sigma = scales(schedule, t, x_t)
    if not sigma.all():
        return Prediction(x, eps)
    return Prediction(x, solved(x_t, alpha, x, sigma))


# ---------------------------------------------------------------- by the model itself
class Guided(Wrapped):
    """Classifier-free guidance x_u + w (x_c − x_u), both estimates alike (Ho & Salimans 2022 with w = 1 + their w); w = 1 is off, and
    w = 0 is the model without its conditions. One forward of 2n rows, n where w is 0 or off.

    `interval`: the noise levels σ/α between which it acts (Kynkäänniemi et al. 2024); outside it is off. `rescale`: how far the guess of
    the data is brought back to the deviation that it has without guidance (Lin et al. 2024, §3.4, φ).
    Raises UsageError when no condition was ever left out in training: then there is no x_u.
    """

    def __init__(self, inner: Denoiser, weight: float, *, interval: tuple[float, float] = (0, math.inf), rescale: float = 0.0) -> None:
        super().__init__(inner)
        self.weight, self.interval, self.rescale = weight, interval, rescale
        if all(condition.null(1) is None for condition in inner.conditions.values()):
            raise UsageError("guidance needs a condition that was sometimes left out in training, and this model has none: leave it at 1")

    def acts(self, t: Tensor) -> bool:
        alpha, sigma = self.schedule(t)
        level = sigma / alpha
        return self.weight != 1 and bool(((level >= self.interval[0]) & (level <= self.interval[1])).all())

    def free(self, cond: Batch, n: int) -> dict[str, Tensor]:
        """The conditions with nothing asked for; one that was never left out in training stays."""
        nulls = {key: self.conditions[key].null(n) for key in cond}
        return {key: value if (null := nulls[key]) is None else null.to(value) for key, value in cond.items()}

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        if not self.acts(t):
            return self.inner.denoise(x_t, t, cond)
        free = self.free(cond, len(x_t))
        if self.weight == 0:
            return self.inner.denoise(x_t, t, free)
        both = {key: torch.cat([value, free[key]]) for key, value in cond.items()}
        times = t if t.ndim == 0 else torch.cat([t, t])
        (x, x_free), (eps, eps_free) = (e.chunk(2) for e in self.inner.denoise(torch.cat([x_t, x_t]), times, both))
        guided = Prediction(x_free + self.weight * (x - x_free), eps_free + self.weight * (eps - eps_free))
        if not self.rescale:
            return guided
        shrink = _deviation(x) / _deviation(guided.x)
        calmed = guided.x * (1 + self.rescale * (shrink - 1))
        return given_data(calmed, x_t, guided.eps, self.schedule, t)


def _deviation(x: Tensor) -> Tensor:
    return x.flatten(1).std(1).clamp(min=1e-12).view(-1, *[1] * (x.ndim - 1))


# ---------------------------------------------------------------- by another model
def met(x_t: Tensor, t: Tensor, ours: Schedule, theirs: Schedule) -> tuple[Tensor, Tensor]:
    """The same state as a model on another path meets it: (x, t) at equal noise level σ/α."""
    alpha, sigma = ours(t)
    time = theirs.inverse(alpha.log() - sigma.log()).clamp(0, 1)
    (a, b), (c, d) = scales(ours, t, x_t), scales(theirs, time, x_t)
    return x_t * ((c**2 + d**2) / (a**2 + b**2)) ** 0.5, time


class ClassifierGuided(Wrapped):
    """ε̂ − s σ ∇ log p(y | x_t), and x̂ with it (Dhariwal & Nichol 2021, alg. 2), for any Guide on any path; s = 0 is off.

    The model and the guide hear the same conditions by name; a row whose condition is the null is not steered.
    """

    def __init__(self, inner: Denoiser, guide: Guide, scale: float) -> None:
        super().__init__(inner)
        self.guide, self.scale = guide, scale
        self.conditions = {**guide.conditions, **inner.conditions}

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        p = self.inner.denoise(x_t, t, {key: value for key, value in cond.items() if key in self.inner.conditions})
        alpha, sigma = scales(self.schedule, t, x_t)
        if not bool(((alpha > 0) & (sigma > 0)).all()):
            return p  # pure noise says nothing of y, and at the data there is nothing left to move
        climb = self.scale * sigma * self.slope(x_t, t, cond)
        return Prediction(p.x + sigma / alpha * climb, p.eps - climb)

    def slope(self, x_t: Tensor, t: Tensor, cond: Batch) -> Tensor:
        """∇ log p(y | x_t) with respect to x_t."""
        asked, steered = {}, torch.ones(len(x_t), dtype=torch.bool, device=x_t.device)
        for key in self.guide.conditions:
            if key not in cond:
                raise UsageError(f"guidance needs the condition '{key}'")
            value, null = cond[key], self.conditions[key].null(len(x_t))
            if null is not None:
                absent = (value == null.to(value)).flatten(1).all(1) if value.ndim > 1 else value == null.to(value)
                steered &= ~absent
                value = torch.where(absent.view(-1, *[1] * (value.ndim - 1)), torch.zeros_like(value), value)
            asked[key] = value
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.guide.evidence(*met(x, t, self.schedule, self.guide.schedule), asked).sum(), x)
        return slope * steered.to(slope).view(-1, *[1] * (slope.ndim - 1))


class Autoguided(Wrapped):
    """A model guided away from a weaker version of itself: x_weak + w (x − x_weak) (Karras et al. 2024); w = 1 is off."""

    def __init__(self, inner: Denoiser, weak: Denoiser, weight: float) -> None:
        super().__init__(inner)
        if weak.data.shape != inner.data.shape:
            raise UsageError(f"the guide makes {weak.data.shape}, the model {inner.data.shape}")
        self.weak, self.weight = weak, weight

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        strong = self.inner.denoise(x_t, t, cond)
        there = met(x_t, t, self.schedule, self.weak.schedule)
        weak = self.weak.denoise(*there, {key: value for key, value in cond.items() if key in self.weak.conditions})
        return Prediction(*(w + self.weight * (s - w) for s, w in zip(strong, weak, strict=True)))


def guided(model: Any, guide: Any, scale: float | None = None) -> Any:
    """`model` steered by `guide`: up the slope of a classifier (`scale`: 1 by default), or away from a weaker denoiser (2 by default)."""
    if not can(model, Denoiser):
        raise UsageError(f"{type(model).__name__} cannot be guided: it is no Denoiser")
    if can(guide, Guide):
        return ClassifierGuided(model, guide, 1.0 if scale is None else scale)
    if can(guide, Denoiser):
        return Autoguided(model, guide, 2.0 if scale is None else scale)
    raise UsageError(f"{type(guide).__name__} cannot guide: it is neither a classifier of noisy examples nor a Denoiser")


def classifier_free(model: Any, weight: float, **options: Any) -> Any:
    """`Guided` around the model that has the conditions: a classifier around it hears them also where the model does not."""
    if isinstance(model, ClassifierGuided):
        return ClassifierGuided(classifier_free(model.inner, weight, **options), model.guide, model.scale)
    return Guided(model, weight, **options)


# ---------------------------------------------------------------- the range of the data
class Clipped(Wrapped):
    """x̂ clipped to `low` … `high`, and ε̂ recomputed from it so that both still make x_t."""

    def __init__(self, inner: Denoiser, low: float, high: float) -> None:
        super().__init__(inner)
        self.low, self.high = low, high

    def within(self, x: Tensor) -> Tensor:
        return x.clamp(self.low, self.high)

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        estimate = self.inner.denoise(x_t, t, cond)
        return given_data(self.within(estimate.x), x_t, estimate.eps, self.schedule, t)


class Thresholded(Clipped):
    """Dynamic thresholding (Saharia et al. 2022, §2.3): clipped at the `share`-quantile of |x̂| of each example, then scaled back into
    the range, so that strong guidance does not saturate."""

    def __init__(self, inner: Denoiser, low: float, high: float, share: float) -> None:
        super().__init__(inner, low, high)
        self.share = share

    def within(self, x: Tensor) -> Tensor:
        centre, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        unit = (x - centre) / half
        bound = unit.flatten(1).abs().quantile(self.share, dim=1).clamp(min=1).view(-1, *[1] * (x.ndim - 1))
        return centre + half * unit.clamp(-bound, bound) / bound


def bounded(model: Any, *, clip: bool, threshold: float | None) -> Any:
    """`model` with x̂ kept inside the data's range, where the data have one."""
    span = model.data.leaves["x"].range
    if span is None or not (clip or threshold):
        return model
    low, high = span
    return Thresholded(model, low, high, threshold) if threshold else Clipped(model, low, high)
