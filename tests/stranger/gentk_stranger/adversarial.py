"""A Wasserstein GAN with gradient penalty (Gulrajani et al. 2017): two phases, an average, a critic that stays at home."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentk.conditions import Label
from gentk.protocols import Batch, DataSpec, Leaf, Noise, Phase, Watch

from .config import AdversarialConfig


def layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs))


class Adversarial(nn.Module):
    """Points, by class where the data have one: both nets see it one-hot."""

    Config = AdversarialConfig
    ema = ("generator",)
    training_only = ("critic",)
    watch = Watch("critic/wasserstein")  # how far the critic can tell draws from data
    blends = ("label",)

    def __init__(self, config: AdversarialConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        self.conditions = {"label": Label.of(data)} if "label" in data.conditions else {}
        self.latent = Leaf(shape=(config.latent,))
        d, classes = data.shape[0], self.conditions["label"].classes if self.conditions else 0
        self.generator = layers(config.latent + classes, config.width, d)
        self.critic = layers(d + classes, config.width, 1)

    def phases(self) -> tuple[Phase, ...]:
        return Phase("critic", ("critic",)), Phase("generator", ("generator",), every=self.config.critic_steps)

    def beside(self, x: Tensor, cond: Batch) -> Tensor:
        """x (n, …) with the class beside it, or with shares of classes (n, K)."""
        if not self.conditions:
            return x
        label = cond["label"]
        shown = label if label.is_floating_point() else nn.functional.one_hot(label, self.conditions["label"].classes)
        return torch.cat([x, shown.to(x)], 1)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        x = batch["x"]
        fake = self.decode(torch.randn(len(x), self.config.latent, device=x.device), batch)
        if phase == "generator":
            return {"loss": -self.critic(self.beside(fake, batch)).mean()}
        fake = fake.detach()
        gap = self.critic(self.beside(x, batch)).mean() - self.critic(self.beside(fake, batch)).mean()
        between = torch.lerp(fake, x, torch.rand(len(x), 1, device=x.device)).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(self.beside(between, batch)).sum(), between, create_graph=True)
        steepness = (slope.norm(dim=1) - 1).square().mean()
        return {"loss": -gap + self.config.penalty * steepness, "wasserstein": gap.detach()}

    def prior(self, n: int, noise: Noise) -> Tensor:
        return noise.normal(*self.latent.shape)

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        out: Tensor = self.generator(self.beside(z, cond))
        return out
