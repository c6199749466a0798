"""A normalizing flow of vectors: real NVP (Dinh et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from gentk.errors import UsageError
from gentk.protocols import Batch, DataSpec, Leaf, Noise, Phase
from torch import Tensor, nn

from .config import TemplateConfig


class Coupling(nn.Module):
    """(a, b) → (a, (b − shift(a)) · e^(−scale(a))): an inverse at no cost, and a triangular Jacobian (their eq. 7 and 8).

    Then the order of the numbers is turned round, so that the next coupling moves the others.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.kept = size - size // 2
        last = nn.Linear(width, 2 * (size - self.kept))
        nn.init.zeros_(last.weight)  # the untrained flow changes nothing but the order
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(nn.Linear(self.kept, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), last)

    def told(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithm of the scale, within ±2, and the shift, (n, d − kept) each."""
        scale, shift = self.net(a).to(a).chunk(2, 1)
        return 2 * torch.tanh(scale / 2), shift

    def to_latent(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, d) → z (n, d), log |det ∂z/∂x| (n,)."""
        a, b = x[:, : self.kept], x[:, self.kept :]
        scale, shift = self.told(a)
        return torch.cat([a, (b - shift) * (-scale).exp()], 1).flip(1), -scale.sum(1)

    def to_data(self, z: Tensor) -> Tensor:
        z = z.flip(1)
        a, b = z[:, : self.kept], z[:, self.kept :]
        scale, shift = self.told(a)
        return torch.cat([a, b * scale.exp() + shift], 1)


class Template(nn.Module):
    """x = f(z) with z ~ N(0, I) and f invertible, so that log p(x) = log N(f⁻¹(x); 0, I) + log |det ∂f⁻¹/∂x| is exact."""

    Config = TemplateConfig
    likelihood: Literal["exact"] = "exact"
    conditions: Mapping[str, Any] = {}
    couplings: Any
    centre: Tensor
    spread: Tensor

    def __init__(self, config: TemplateConfig, data: DataSpec) -> None:
        super().__init__()
        if len(data.shape) != 1 or data.shape[0] < 2 or data.leaves["x"].classes:
            raise UsageError(f"a flow wants vectors of two numbers or more; these examples are {data.modality} {data.shape}")
        self.config, self.data = config, data
        self.latent = Leaf(shape=data.shape)
        self.couplings = nn.ModuleList(Coupling(data.shape[0], config.width) for _ in range(config.layers))
        self.register_buffer("centre", torch.zeros(data.shape))
        self.register_buffer("spread", torch.ones(data.shape))

    def start(self, batch: Batch) -> None:
        """Before the first step: the data, centred and scaled, are what the couplings see."""
        self.centre.copy_(batch["x"].mean(0))
        self.spread.copy_(batch["x"].std(0, correction=0).clamp(min=1e-6))

    def to_latent(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, d) → z (n, d), log |det ∂z/∂x| (n,)."""
        z: Tensor = (x - self.centre) / self.spread
        log_det: Tensor = -self.spread.log().sum().expand(len(x))
        for coupling in self.couplings:
            z, added = coupling.to_latent(z)
            log_det = log_det + added
        return z, log_det

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        return {"loss": -self.density(batch["x"]).mean()}

    def density(self, x: Tensor) -> Tensor:
        z, log_det = self.to_latent(x)
        return log_det - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        """Nats (n,), in the data's own units."""
        return self.density(batch["x"])

    def prior(self, n: int, noise: Noise) -> Tensor:
        return noise.normal(*self.latent.shape)

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        for coupling in reversed(self.couplings):
            z = coupling.to_data(z)
        return z * self.spread + self.centre

    def encode(self, batch: Batch) -> Tensor:
        return self.to_latent(batch["x"])[0]
