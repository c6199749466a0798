"""Trained by gradients: a denoiser, an autoencoder, a classifier of what is noisy. All of points by class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from gentk.conditions import Label, drop
from gentk.gaussian.predictions import Velocity, noised
from gentk.gaussian.schedules import Rectified, rows
from gentk.protocols import Batch, DataSpec, Leaf, Noise, Phase, Prediction

from .config import Config as Options


class Gradient(nn.Module):
    """One phase, and the condition `label`."""

    Config = Options

    def __init__(self, config: Options, data: DataSpec, *, dropout: bool = False) -> None:
        super().__init__()
        self.config, self.data = config, data
        self.label = Label.of(data, dropout=dropout)
        self.conditions = {"label": self.label}

    def net(self, inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(inputs, self.config.width), nn.SiLU(), nn.Linear(self.config.width, outputs))

    def shown(self, x: Tensor, label: Tensor) -> Tensor:
        """x (n, d) with the class beside it, or with shares of classes."""
        shares = label if label.is_floating_point() else one_hot(label, self.label.classes + self.label.dropout)
        return torch.cat([x, shares.to(x)], 1)

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)


class Denoiser(Gradient):
    """On the straight path: the net says dx/dt."""

    ema = ("body",)
    times = (0.0, 1.0)

    def __init__(self, config: Options, data: DataSpec) -> None:
        super().__init__(config, data, dropout=True)
        d = data.shape[0]
        self.schedule = Rectified()
        self.body = self.net(d + 2 + self.label.classes, d)

    def ask(self, x_t: Tensor, t: Tensor, label: Tensor) -> Tensor:
        clock = rows(t, x_t).to(x_t).expand(len(x_t))[:, None]
        out: Tensor = self.body(self.shown(torch.cat([x_t, clock], 1), label))
        return out

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        out = self.ask(x_t, t, cond["label"])
        return Velocity().read(out, x_t, self.schedule, t)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        x = batch["x"]
        t = torch.rand(len(x), dtype=torch.float64)
        x_t, eps = noised(x, self.schedule, t)
        out = self.ask(x_t, t, drop(self.label, batch["label"], 0.1))
        return {"loss": (out - Velocity().target(x, eps, self.schedule, t)).square().mean()}


class Autoencoder(Gradient):
    """A VAE by class, of deviation 1."""

    blends = ("label",)
    likelihood: Literal["bound"] = "bound"

    def __init__(self, config: Options, data: DataSpec) -> None:
        super().__init__(config, data)
        d, classes = data.shape[0], self.label.classes
        self.latent = Leaf(shape=(3,))
        self.encoder, self.decoder = self.net(d + classes, 2 * 3), self.net(3 + classes, d)

    def posterior(self, batch: Batch) -> tuple[Tensor, Tensor]:
        mean, log_deviation = self.encoder(self.shown(batch["x"], batch["label"])).chunk(2, 1)
        return mean, log_deviation.clamp(-5, 5)

    def encode(self, batch: Batch) -> Tensor:
        mean, _ = self.posterior(batch)
        return mean

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        out: Tensor = self.decoder(self.shown(z, cond["label"]))
        return out

    def prior(self, n: int, noise: Noise) -> Tensor:
        return noise.normal(*self.latent.shape)

    def bound(self, batch: Batch, e: Tensor) -> Tensor:
        """log p(x | z) + log p(z) − log q(z | x) for z by the draws e (n, latent): (n,)."""
        mean, log_deviation = self.posterior(batch)
        z = mean + log_deviation.exp() * e
        error = (batch["x"] - self.decode(z, batch)).square() + math.log(2 * math.pi)
        return 0.5 * (e.square() - z.square()).sum(1) + log_deviation.sum(1) - 0.5 * error.sum(1)

    def log_prob(self, batch: Batch, noise: Noise, *, samples: Annotated[int, Field(ge=1)] = 4) -> Tensor:
        draws = [self.bound(batch, noise.normal(*self.latent.shape)) for _ in range(samples)]
        return torch.stack(draws).logsumexp(0) - math.log(samples)

    def rate_distortion(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        mean, log_deviation = self.posterior(batch)
        z = mean + log_deviation.exp() * noise.normal(*self.latent.shape)
        rate = 0.5 * (mean.square() + (2 * log_deviation).exp() - 1) - log_deviation
        lost = 0.5 * ((batch["x"] - self.decode(z, batch)).square() + math.log(2 * math.pi))
        return rate.sum(1), lost.sum(1)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        return {"loss": -self.bound(batch, torch.randn(len(batch["x"]), *self.latent.shape)).mean()}

    def facts(self) -> dict[str, Any]:
        return {"latent": list(self.latent.shape)}


class Guide(Gradient):
    """log p(label | x_t)."""

    def __init__(self, config: Options, data: DataSpec) -> None:
        super().__init__(config, data)
        self.schedule = Rectified()
        self.body = self.net(data.shape[0] + 1, self.label.classes)

    def logits(self, x_t: Tensor, t: Tensor) -> Tensor:
        clock = rows(t, x_t).to(x_t).expand(len(x_t))[:, None]
        out: Tensor = self.body(torch.cat([x_t, clock], 1)).log_softmax(1)
        return out

    def evidence(self, x_t: Tensor, t: Tensor, cond: Batch) -> Tensor:
        return self.logits(x_t, t).gather(1, cond["label"][:, None])[:, 0]

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        t = torch.rand(len(batch["x"]), dtype=torch.float64)
        x_t, _ = noised(batch["x"], self.schedule, t)
        return {"loss": cross_entropy(self.logits(x_t, t), batch["label"])}
