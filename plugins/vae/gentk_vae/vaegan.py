"""`vae-gan`: the error is measured in a discriminator's features, and the discriminator is trained along (Larsen et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.protocols import Batch, DataSpec, Noise, Phase

from .autoencoder import Autoencoder
from .config import VAEGANConfig
from .likelihoods import wide
from .nets import Down, map_size
from .vae import kl


class Discriminator(nn.Module):
    """Images → a logit that they are real, and the features that the error is measured in."""

    def __init__(self, data: DataSpec, config: VAEGANConfig) -> None:
        super().__init__()
        about = config.model_copy(update={"widths": config.discriminator, "blocks": 1, "patch": 1})
        h, w = map_size(data.leaves["x"], about)
        self.body = Down(data.shape[0], about)
        self.last = nn.Linear(config.discriminator[-1] * h * w, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(x)
        return self.last(features.flatten(1))[:, 0], features


class VAEGAN(Autoencoder):
    """Three phases that share a batch (ibid., algorithm 1): each part follows the terms that are its own.

    encoder: KL + feature error;  decoder: γ · feature error + adversarial loss;  discriminator: real from reconstructed and drawn.
    """

    Config = VAEGANConfig
    config: VAEGANConfig
    training_only = ("discriminator",)

    def __init__(self, config: VAEGANConfig, data: DataSpec) -> None:
        super().__init__(config, data, outputs=2)
        self.discriminator = Discriminator(data, config)

    def prior(self, n: int, noise: Noise) -> Tensor:
        return noise.normal(self.config.latent)

    def phases(self) -> tuple[Phase, ...]:
        return Phase("discriminator", ("discriminator",)), Phase("encoder", ("encoder",)), Phase("decoder", ("decoder",))

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        x = batch["x"]
        mean, log_var = wide(self.encoder(x)).chunk(2, 1)
        log_var = log_var.clamp(-14, 14)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        again, drawn = self.decode(z, {}), self.decode(torch.randn_like(z), {})
        if phase == "discriminator":
            real, _ = self.discriminator(x)
            fakes = [self.discriminator(fake.detach())[0] for fake in (again, drawn)]
            told = ((real > 0).float().mean() + torch.stack([(fake < 0).float().mean() for fake in fakes]).mean()) / 2
            return {"loss": F.softplus(-real).mean() + sum(F.softplus(fake).mean() for fake in fakes) / 2, "told_apart": told}
        _, wanted = self.discriminator(x)
        logit, features = self.discriminator(again)
        error = 0.5 * ((features - wanted.detach()).square() + math.log(2 * math.pi)).flatten(1).sum(1).mean()
        if phase == "encoder":
            divergence = kl(mean, log_var).sum(1).mean()
            loss = error + self.config.beta * divergence
            return {"loss": loss, "reconstruction": error, "kl": divergence, "mse": (again - x).square().mean()}
        fooled = F.softplus(-logit).mean() + F.softplus(-self.discriminator(drawn)[0]).mean()
        return {"loss": self.config.gamma * error + fooled, "fooled": fooled}
