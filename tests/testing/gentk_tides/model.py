"""A Gaussian of each height, fitted in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentk.protocols import Batch, DataSpec, Noise

from .config import TidesConfig


class Tides(nn.Module):
    """Buffers `mean` and `deviation`, of x's shape."""

    Config = TidesConfig
    passes = 1
    conditions: Mapping[str, Any] = {}
    mean: Tensor
    deviation: Tensor

    def __init__(self, config: TidesConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        self.register_buffer("mean", torch.zeros(data.shape))
        self.register_buffer("deviation", torch.ones(data.shape))

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        x = batch["x"].double()
        return {"count": torch.tensor(len(x)).double(), "first": x.sum(0), "second": x.square().sum(0)}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        mean = stats["first"] / stats["count"]
        deviation = (stats["second"] / stats["count"] - mean.square()).clamp(min=0).sqrt().clamp(min=self.config.floor)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        return {}

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        return self.mean + self.deviation * noise.normal(*self.data.shape)
