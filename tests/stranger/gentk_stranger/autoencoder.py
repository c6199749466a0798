"""A variational autoencoder (Kingma & Welling 2014): it draws by itself, and its codes are another model's data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.protocols import Batch, DataSpec, Leaf, Noise, Phase

from .config import VAEConfig


class VAE(nn.Module):
    """Images (C, H, W) flat, a Gaussian decoder whose one deviation is learned."""

    Config = VAEConfig
    likelihood: Literal["bound"] = "bound"
    conditions: Mapping[str, Any] = {}

    def __init__(self, config: VAEConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        self.latent = Leaf(shape=(config.latent,))
        pixels, width = math.prod(data.shape), config.width
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.SiLU(), nn.Linear(width, 2 * config.latent))
        self.decoder = nn.Sequential(nn.Linear(config.latent, width), nn.SiLU(), nn.Linear(width, pixels))
        self.log_deviation = nn.Parameter(torch.zeros(()))

    def start(self, batch: Batch) -> None:
        self.log_deviation.fill_(float(batch["x"].std().log()))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of q(z | x), (n, latent) each."""
        mean, log_variance = self.encoder(x).chunk(2, -1)
        return mean, log_variance.clamp(-12, 12)

    def log_given(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) of x (n, C, H, W) for each of z (n, k, latent): (n, k)."""
        error = (x.flatten(1)[:, None] - self.decoder(z)) / self.log_deviation.exp()
        density: Tensor = -0.5 * (error.square() + 2 * self.log_deviation + math.log(2 * math.pi)).sum(-1)
        return density

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        mean, log_variance = self.posterior(batch["x"])
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        error = -self.log_given(batch["x"], z[:, None])[:, 0]
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
        return {"loss": (error + divergence).mean(), "divergence": divergence.mean().detach()}

    def prior(self, n: int, noise: Noise) -> Tensor:
        return noise.normal(*self.latent.shape)

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        x: Tensor = self.decoder(z).unflatten(-1, self.data.shape)
        return x

    def encode(self, batch: Batch) -> Tensor:
        return self.posterior(batch["x"])[0]

    def log_prob(self, batch: Batch, noise: Noise, *, samples: int | None = None) -> Tensor:
        """The importance-weighted bound (Burda et al. 2016) by so many samples; each example's draws are of its own stream."""
        x, k = batch["x"], samples or self.config.samples
        mean, log_variance = (part[:, None] for part in self.posterior(x))
        e = noise.normal(k, self.config.latent)
        z = mean + (log_variance / 2).exp() * e
        weight = self.log_given(x, z) - 0.5 * z.square().sum(-1) + 0.5 * (e.square() + log_variance).sum(-1)
        return weight.logsumexp(1) - math.log(k)
