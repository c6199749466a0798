"""Fitted by sums: a Gaussian with independent numbers, and a straight line under a series."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.protocols import Batch, DataSpec, Forecast, Noise

from .config import Config as Options


class Fitted(nn.Module):
    """Buffers mean and variance."""

    Config = Options
    conditions: Mapping[str, Any] = {}
    mean: Tensor
    variance: Tensor

    def __init__(self, config: Options, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        self.register_buffer("mean", torch.zeros(data.shape[-1]))
        self.register_buffer("variance", torch.ones(data.shape[-1]))

    def sums(self, x: Tensor) -> dict[str, Tensor]:
        """Of rows (n, d)."""
        x = x.double()
        return {"count": torch.tensor(len(x)).double(), "first": x.sum(0), "second": x.square().sum(0)}


class Gaussian(Fitted):
    """Goes half of the way to the sample's moments in each of three passes."""

    passes = 3
    likelihood: Literal["exact"] = "exact"

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        return {**self.sums(batch["x"]), "nats": self.nats(batch["x"].double()).sum()}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        mean, second = stats["first"] / stats["count"], stats["second"] / stats["count"]
        self.mean.lerp_(mean.float(), 0.5)
        self.variance.lerp_((second - mean.square()).float(), 0.5)
        return {"log_likelihood": float(stats["nats"] / stats["count"])}

    def nats(self, x: Tensor) -> Tensor:
        return -0.5 * ((x - self.mean).square() / self.variance + (2 * math.pi * self.variance).log()).sum(1)

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        return self.nats(batch["x"])

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        return self.mean + self.variance.sqrt() * noise.normal(*self.mean.shape)

    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:
        return torch.where(known, batch["x"], self.draw(len(known), noise, {}))


class Trend(Fitted):
    """Each step is the one before it and a normal step."""

    passes = 1

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        return self.sums(batch["x"].diff(dim=1).flatten(0, 1))

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        mean, second = stats["first"] / stats["count"], stats["second"] / stats["count"]
        self.mean.copy_(mean)
        self.variance.copy_(second - mean.square())
        return {}

    def fitted(self, batch: Batch) -> Tensor:
        first = torch.full_like(batch["x"][:, :1], math.nan)
        return torch.cat([first, batch["x"][:, :-1] + self.mean], 1)

    def forecast(self, batch: Batch, steps: int) -> Forecast:
        ahead = torch.arange(1, steps + 1)[:, None]
        deviation = (ahead * self.variance).sqrt().expand(len(batch["x"]), -1, -1).clone()
        return Forecast(batch["x"][:, -1:] + ahead * self.mean, deviation)
