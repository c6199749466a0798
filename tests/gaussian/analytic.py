"""A Gaussian whose denoiser is known in closed form: x ~ N(m, s²), so E[x | x_t] and the ODE's solution are exact."""

from __future__ import annotations

import torch
from torch import Tensor

from gentk.protocols import Batch, DataSpec, Leaf, Prediction, Schedule

MEAN, DEVIATION, START = 0.7, 0.3, 1.3


class Exact:
    """The ideal denoiser of N(0.7, 0.3²) on any schedule."""

    conditions: dict[str, object] = {}
    Config = config = None

    def __init__(self, schedule: Schedule, times: tuple[float, float] = (0.0, 1.0)) -> None:
        self.schedule, self.times = schedule, times
        self.data = DataSpec(modality="points", leaves={"x": Leaf(shape=(1,))})

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        alpha, sigma = self.schedule(t)
        variance = (alpha * DEVIATION) ** 2 + sigma**2
        return Prediction((alpha * DEVIATION**2 * x_t + sigma**2 * MEAN) / variance, sigma * (x_t - alpha * MEAN) / variance)

    def end(self, x_1: Tensor) -> Tensor:
        """Where the ODE takes x at t = times[1]: the same quantile of N(m, s²)."""
        alpha, sigma = self.schedule(torch.tensor(self.times[1], dtype=torch.float64))
        return MEAN + DEVIATION * (x_1 - alpha * MEAN) / ((alpha * DEVIATION) ** 2 + sigma**2).sqrt()


class Fixed:
    """Noise that is always START, in float64."""

    def normal(self, *shape: int) -> Tensor:
        return torch.full((1, *shape), START, dtype=torch.float64)


def error(sampler: object, model: Exact) -> float:
    """|sample − exact| from the fixed noise."""
    *_, last = sampler(model, 1, noise=Fixed(), cond={})  # type: ignore[operator]
    _, sigma = model.schedule(torch.tensor(model.times[1], dtype=torch.float64))
    return float((last.x - model.end(START * sigma)).abs())
