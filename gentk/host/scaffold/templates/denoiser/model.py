"""Denoising diffusion (Ho et al. 2020) of vectors, with or without a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gentk
import torch
from gentk.conditions import Label, drop
from gentk.errors import UsageError
from gentk.gaussian.predictions import V, noised
from gentk.gaussian.schedules import rows
from gentk.nets.embeddings import TimeEmbedding
from gentk.protocols import Batch, DataSpec, Phase, Prediction
from torch import Tensor, nn
from torch.nn.functional import silu

from .config import TemplateConfig


class Net(nn.Module):
    """x (n, d), time (n,), label (n,) or None → (n, d). Each hidden layer is residual, and told the time and the class."""

    def __init__(self, inputs: int, width: int, layers: int, classes: int) -> None:
        super().__init__()
        self.time = TimeEmbedding(width, width)
        self.label = nn.Embedding(classes, width) if classes else None
        self.first = nn.Linear(inputs, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.last = nn.Linear(width, inputs)

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None) -> Tensor:
        told = self.time(time)
        if self.label is not None and label is not None:
            told = told + self.label(label)
        h = self.first(x)
        for layer in self.hidden:
            h = h + silu(layer(silu(h + told)))
        out: Tensor = self.last(h)
        return out


class Template(nn.Module):
    """On the path x_t = α(t) x + σ(t) ε the network is asked for v = α ε − σ x (Salimans & Ho 2022), which says x and ε at every t.

    loss = E ‖net(x_t, t, label) − v‖² over uniform t. Sometimes the label is left out, so that the same network knows p(x) as well
    as p(x | label), and can be guided from one to the other (Ho & Salimans 2022).
    """

    Config = TemplateConfig
    ema = ("net",)  # sampled and saved with the average of its weights over the last steps
    times = (0.0, 1.0)  # where the network is trained: t = 0 is data, t = 1 is noise

    def __init__(self, config: TemplateConfig, data: DataSpec) -> None:
        super().__init__()
        if len(data.shape) != 1 or data.leaves["x"].classes:
            raise UsageError(f"this model wants vectors of numbers, (d,); these examples are {data.modality} {data.shape}")
        self.config, self.data = config, data
        self.schedule, self.parameterisation = gentk.schedule(config.schedule), V()
        self.label = Label.of(data, dropout=config.label_dropout > 0) if "label" in data.conditions else None
        self.conditions = {"label": self.label} if self.label else {}
        classes = self.label.classes + 1 if self.label else 0  # the last one is "none"
        self.net = Net(data.shape[0], config.width, config.layers, classes)

    def ask(self, x_t: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        """What the network says of x_t (n, d) at the times t, () or (n,): v (n, d)."""
        clock = rows(self.parameterisation.clock(self.schedule, t), x_t)
        out: Tensor = self.net(x_t, clock, label)
        return out

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        x = batch["x"]
        t = torch.rand(len(x), dtype=torch.float64)
        x_t, eps = noised(x, self.schedule, t)
        label = drop(self.label, batch["label"], self.config.label_dropout) if self.label else None
        v = self.parameterisation.target(x, eps, self.schedule, t)
        return {"loss": (self.ask(x_t, t, label).to(v) - v).square().mean()}

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        """All that a sampler needs: its guess of x and of ε."""
        return self.parameterisation.read(self.ask(x_t, t, cond.get("label")), x_t, self.schedule, t)
