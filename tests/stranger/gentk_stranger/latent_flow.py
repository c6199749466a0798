"""Flow matching (Lipman et al. 2023) on vectors that are another model's codes. That they are codes is nothing it knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentk.conditions import Label, drop
from gentk.gaussian.predictions import Velocity, noised
from gentk.gaussian.schedules import Rectified, rows
from gentk.nets.mlp import ResidualMLP
from gentk.protocols import Batch, DataSpec, Phase, Prediction

from .config import LatentFlowConfig


class LatentFlow(nn.Module):
    """A Denoiser on the straight path: the net gives dx/dt = ε − x."""

    Config = LatentFlowConfig
    ema = ("net",)
    times = (0.0, 1.0)

    def __init__(self, config: LatentFlowConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        self.schedule, self.velocity = Rectified(), Velocity()
        self.conditions = {"label": Label.of(data, dropout=config.label_dropout > 0)} if "label" in data.conditions else {}
        classes = self.conditions["label"].classes + 1 if self.conditions else 0
        self.net = ResidualMLP(data.shape[0], config.width, config.blocks, classes)

    def ask(self, x_t: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        out: Tensor = self.net(x_t, rows(self.velocity.clock(self.schedule, t), x_t), label)
        return out

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        return self.velocity.read(self.ask(x_t, t, cond.get("label")), x_t, self.schedule, t)

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        x = batch["x"]
        t = torch.rand(len(x), dtype=torch.float64)
        x_t, eps = noised(x, self.schedule, t)
        label = drop(self.conditions["label"], batch["label"], self.config.label_dropout) if self.conditions else None
        return {"loss": (self.ask(x_t, t, label) - self.velocity.target(x, eps, self.schedule, t)).square().mean()}
