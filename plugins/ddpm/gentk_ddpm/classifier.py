"""`classifier`: which class a noisy image shows, at every noise level. What `--guide` climbs (Dhariwal & Nichol 2021, §4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gentk
from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.gaussian.predictions import noised
from gentk.gaussian.schedules import scales, spread, when
from gentk.nets.embeddings import TimeEmbedding
from gentk.nets.unet import Downsample, ResBlock
from gentk.protocols import Batch, DataSpec, Phase

from .config import ClassifierConfig
from .times import training_times


class Encoder(nn.Module):
    """x (n, inputs, H, W), clock (n,) → logits (n, classes): residual blocks and strides, then the mean over the pixels."""

    def __init__(self, inputs: int, classes: int, config: ClassifierConfig) -> None:
        super().__init__()
        widths, time = config.channels, 4 * config.channels[0]
        self.conv_in = nn.Conv2d(inputs, widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0], time)
        about: dict[str, Any] = {"groups": config.groups, "eps": 1e-6, "dropout": config.dropout, "scale_shift": True}
        self.blocks = nn.ModuleList(ResBlock(a, b, time, **about) for a, b in zip((widths[0], *widths), widths, strict=False))
        self.downs = nn.ModuleList(Downsample(width, 1) for width in widths[:-1])
        self.norm = nn.GroupNorm(config.groups, widths[-1])
        self.last = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor, clock: Tensor) -> Tensor:
        mood = F.silu(self.time_embedding(clock))
        x = self.conv_in(x)
        for i, block in enumerate(self.blocks):
            x = block(x, mood)
            if i < len(self.downs):
                x = self.downs[i](x)
        out: Tensor = self.last(F.silu(self.norm(x)).mean((2, 3)))
        return out


class Classifier(nn.Module):
    """log p(label | x_t), trained by cross entropy on examples at noise levels of the path."""

    Config = ClassifierConfig
    ema = ("net",)
    autocast = ("net",)
    outer = ("net.conv_in", "net.last", "net.time_embedding")

    def __init__(self, config: ClassifierConfig, data: DataSpec) -> None:
        super().__init__()
        if "label" not in data.conditions:
            raise UsageError("a classifier needs a data set with labels")
        if "x" not in data.leaves or len(data.shape) != 3:
            raise UsageError("the classifier wants images: a leaf x of the shape (C, H, W)")
        self.config, self.data = config, data
        self.schedule = gentk.schedule(config.schedule, **config.schedule_options)
        self.times = when(self.schedule, config.sigma_min), 1.0
        self.label = Label.of(data)
        self.conditions = {"label": self.label}
        self.net = Encoder(data.shape[0], self.label.classes, config)

    def logits(self, x_t: Tensor, t: Tensor) -> Tensor:
        """(n, classes) for states x_t at times t, () or (n,). The network sees unit deviation, and is told ln σ/α."""
        t = t.clamp(min=self.times[0])
        alpha, sigma = scales(self.schedule, t, x_t)
        given = x_t / (alpha**2 * self.config.sigma_data**2 + sigma**2) ** 0.5
        level = spread(self.schedule(t), t, x_t[:, 0, 0, 0])
        clock = 250 * (level[1] / level[0].clamp(min=1e-12)).log().clamp(-8, 8)
        out: Tensor = self.net(given, clock.to(x_t).expand(len(x_t)))
        return out

    def evidence(self, x_t: Tensor, t: Tensor, cond: Batch) -> Tensor:
        picked = self.logits(x_t, t).log_softmax(-1).gather(1, cond["label"][:, None])
        return picked[:, 0]

    def log_label(self, batch: Batch) -> Tensor:
        """log p(label | x) of clean images, (n, classes): `gentk classify`."""
        t = torch.tensor(self.times[0], dtype=torch.float64, device=batch["x"].device)
        return self.logits(batch["x"], t).double().log_softmax(-1)

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        t = training_times(self.config, self.schedule, self.times, len(batch["x"]))
        x_t, _ = noised(batch["x"], self.schedule, t)
        logits = self.logits(x_t, t).float()
        right = (logits.argmax(1) == batch["label"]).float().mean()
        return {"loss": F.cross_entropy(logits, batch["label"]), "right": right}
