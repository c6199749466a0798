"""`ae`: an encoder, a decoder, and a likelihood between them. What every model here is built on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.conditions import Label
from gentk.protocols import Batch, Condition, DataSpec, Leaf, Phase

from .config import AEConfig
from .likelihoods import likelihood
from .nets import Decoder, Encoder, ends


class Autoencoder(nn.Module):
    """The parts, and how they meet. `outputs`: numbers that the encoder gives for each of z; `classes`: of a label given to both nets."""

    Config: type[AEConfig] = AEConfig
    ema: tuple[str, ...] = ("encoder", "decoder", "law")
    autocast: tuple[str, ...] = ("encoder", "decoder")

    def __init__(self, config: AEConfig, data: DataSpec, *, outputs: int = 1, label: Label | None = None) -> None:
        super().__init__()
        self.config, self.data, self.label = config, data, label
        self.conditions: Mapping[str, Condition] = {"label": label} if label else {}
        self.latent = Leaf(shape=(config.latent,))
        classes, leaf = label.classes if label else 0, data.leaves["x"]
        self.law = likelihood(config.likelihood, leaf, config.sigma)
        self.encoder = Encoder(leaf, outputs * config.latent, config, classes)
        self.decoder = Decoder(leaf, config.latent + classes, self.law.parameters_each, config)

    @property
    def outer(self) -> tuple[str, ...]:
        """First and last layers, which an optimizer for matrices leaves alone."""
        return (*ends(self.encoder, "encoder"), *ends(self.decoder, "decoder"))

    def given(self, batch: Batch) -> Tensor | None:
        """The label as shares of the classes (n, classes): one, or as many as are mixed."""
        if self.label is None:
            return None
        value = batch["label"]
        return value.float() if value.is_floating_point() else F.one_hot(value, self.label.classes).float()

    def parameters_of(self, z: Tensor, given: Tensor | None) -> Tensor:
        """z (n, latent) → the parameters of p(x | z), (n, each, *shape)."""
        out: Tensor = self.decoder(z if given is None else torch.cat([z, given.to(z)], 1))
        return out

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        """The mean of p(x | z), (n, *shape)."""
        mean: Tensor = self.law.mean(self.parameters_of(z, self.given(cond)))
        return mean

    def encode(self, batch: Batch) -> Tensor:
        """z (n, latent), or the mean of q(z | x)."""
        z: Tensor = self.encoder(batch["x"], self.given(batch))
        return z[:, : self.config.latent]

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def errors(self, parameters: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Of a validation: the squared error of the mean, per number. A training step would pay a twentieth of its time for it."""
        if self.training:
            return {}
        with torch.no_grad():
            return {"mse": F.mse_loss(self.law.mean(parameters), x)}


class AE(Autoencoder):
    """A plain autoencoder (Hinton & Salakhutdinov 2006). Its latents have no law, so it draws nothing: a model of `latents:` of it does."""

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        parameters = self.parameters_of(self.encode(batch), self.given(batch))
        reconstruction = -self.law.log_prob(parameters, batch["x"]).mean()
        return {"loss": reconstruction, "reconstruction": reconstruction, **self.errors(parameters, batch["x"])}
