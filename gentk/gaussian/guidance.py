"""Denoiser → Denoiser wrappers: the sampler never knows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..protocols import Batch, Denoiser, Prediction
from .schedules import scales


class Wrapped:
    """A Denoiser around another: everything but `denoise` is the inner one's."""

    def __init__(self, inner: Denoiser) -> None:
        self.inner = inner
        self.Config, self.config = inner.Config, inner.config
        self.schedule, self.times, self.data, self.conditions = inner.schedule, inner.times, inner.data, inner.conditions

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        return self.inner.denoise(x_t, t, cond)


class Guided(Wrapped):
    """Classifier-free guidance x_u + w (x_c − x_u), both estimates alike (Ho & Salimans 2022 with w = 1 + their w); w = 1 is off.

    One forward of 2n rows. Raises UsageError when no condition was ever left out in training: then there is no x_u.
    """

    def __init__(self, inner: Denoiser, weight: float) -> None:
        super().__init__(inner)
        self.weight = weight
        if all(condition.null(1) is None for condition in inner.conditions.values()):
            raise UsageError("guidance needs a condition that was sometimes left out in training, and this model has none: leave it at 1")

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        n = len(x_t)
        both = {}
        for key, value in cond.items():
            null = self.conditions[key].null(n)
            both[key] = torch.cat([value, value if null is None else null.to(value)])
        times = t if t.ndim == 0 else torch.cat([t, t])
        pairs = [estimate.chunk(2) for estimate in self.inner.denoise(torch.cat([x_t, x_t]), times, both)]
        return Prediction(*(free + self.weight * (asked - free) for asked, free in pairs))


class Clipped(Wrapped):
    """x̂ clipped to `low` … `high`, and ε̂ recomputed from it so that both still make x_t."""

    def __init__(self, inner: Denoiser, low: float, high: float) -> None:
        super().__init__(inner)
        self.low, self.high = low, high

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        estimate = self.inner.denoise(x_t, t, cond)
        x = estimate.x.clamp(self.low, self.high)
        alpha, sigma = scales(self.schedule, t, x_t)
        if not bool((torch.as_tensor(sigma) > 0).all()):
            return Prediction(x, estimate.eps)
        return Prediction(x, (x_t - alpha * x) / sigma)


def clipped(model: Any) -> Any:
    """`model` with x̂ kept inside the data's range, where the data have one."""
    span = model.data.leaves["x"].range
    return model if span is None else Clipped(model, *span)
