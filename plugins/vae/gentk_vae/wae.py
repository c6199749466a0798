"""`wae-mmd`, `wae-gan`: squared error, and a penalty that draws the law of all latents together to the prior (Tolstikhin et al. 2018).

Where a VAE pulls each q(z | x) to the prior, these pull only their mixture, so reconstructions stay sharp. Neither bounds log p(x).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.protocols import Batch, DataSpec, Noise, Phase

from .autoencoder import Autoencoder
from .config import WAEConfig, WAEGANConfig, WAEMMDConfig
from .nets import dense


def inverse_multiquadratic(squares: Tensor, latent: int, scales: tuple[float, ...]) -> Tensor:
    """Σ_s C_s / (C_s + ‖z − z'‖²) with C_s = 2 d s, twice the prior's dimension at s = 1 (ibid., §4)."""
    found = torch.zeros_like(squares)
    for scale in scales:
        c = 2 * latent * scale
        found = found + c / (c + squares)
    return found


def mmd(z: Tensor, prior: Tensor, scales: tuple[float, ...]) -> Tensor:
    """Squared maximum mean discrepancy between two sets (n, d), unbiased: it may fall below 0 (Gretton et al. 2012, eq. 3)."""
    n, d = z.shape

    def mean(a: Tensor, b: Tensor, *, own: bool) -> Tensor:
        kernel = inverse_multiquadratic(torch.cdist(a, b).square(), d, scales)
        return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1)) if own else kernel.mean()

    return mean(z, z, own=True) + mean(prior, prior, own=True) - 2 * mean(z, prior, own=False)


class WAE(Autoencoder):
    """What both share: a deterministic code, a normal prior, squared error summed over an example."""

    config: WAEConfig

    def prior(self, n: int, noise: Noise) -> Tensor:
        return noise.normal(self.config.latent)

    def reconstructed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(z, squared error per example) of a batch."""
        z = self.encode(batch)
        x = self.decode(z, batch)
        return z, (x - batch["x"]).square().flatten(1).sum(1)

    def logged(self, errors: Tensor, penalty: Tensor) -> dict[str, Any]:
        reconstruction = errors.mean()
        size = self.data.leaves["x"].shape
        loss = reconstruction + self.config.penalty * penalty
        return {"loss": loss, "reconstruction": reconstruction, "penalty": penalty, "mse": reconstruction / torch.Size(size).numel()}


class WAEMMD(WAE):
    """The penalty is the MMD between the batch's codes and as many draws of the prior, with kernels of several scales."""

    Config = WAEMMDConfig
    config: WAEMMDConfig

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        z, errors = self.reconstructed(batch)
        return self.logged(errors, mmd(z, torch.randn_like(z), self.config.scales))


class WAEGAN(WAE):
    """The penalty is what a critic of latents cannot tell from the prior (ibid., algorithm 1, with the non-saturating loss)."""

    Config = WAEGANConfig
    config: WAEGANConfig
    training_only = ("critic",)

    def __init__(self, config: WAEGANConfig, data: DataSpec) -> None:
        super().__init__(config, data)
        self.critic = nn.Sequential(*dense((config.latent, *config.critic)), nn.Linear(config.critic[-1], 1))

    def phases(self) -> tuple[Phase, ...]:
        return Phase("critic", ("critic",)), Phase("main", ("encoder", "decoder", "law"))

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        if phase == "critic":
            with torch.no_grad():
                z = self.encode(batch)
            real, fake = self.critic(torch.randn_like(z)), self.critic(z)
            told = ((real > 0).float() + (fake < 0).float()).mean() / 2
            return {"loss": (F.softplus(-real) + F.softplus(fake)).mean(), "told_apart": told}
        z, errors = self.reconstructed(batch)
        return self.logged(errors, F.softplus(-self.critic(z)).mean())
