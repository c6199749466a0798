"""An energy-based model by denoising score matching (Vincent 2011): its loss differentiates with respect to the examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentk.protocols import Batch, DataSpec, Noise, Phase, Watch

from .config import EnergyConfig


class Energy(nn.Module):
    """Points, p(x) ∝ exp(−E(x)), with a net for E."""

    Config = EnergyConfig
    conditions: Mapping[str, Any] = {}
    ema = ("net",)
    watch = Watch("radius-error")  # the loss of score matching says little of the draws

    def __init__(self, config: EnergyConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        d, width = data.shape[0], config.width
        self.net = nn.Sequential(nn.Linear(d, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1, bias=False))

    def energy(self, x: Tensor) -> Tensor:
        """x (n, d) → E (n,)."""
        found: Tensor = self.net(x)[:, 0] + 0.1 * x.square().sum(1)
        return found

    def score(self, x: Tensor) -> Tensor:
        """−∂E/∂x, (n, d); differentiable itself where gradients are on."""
        kept = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.energy(x).sum(), x, create_graph=kept)
        return -slope

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        noise, sigma = torch.randn_like(batch["x"]), self.config.sigma
        moved = (batch["x"] + sigma * noise).requires_grad_()
        (slope,) = torch.autograd.grad(self.energy(moved).sum(), moved, create_graph=True)
        return {"loss": (sigma * -slope + noise).square().mean(), "energy": self.energy(batch["x"]).mean().detach()}

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        """Langevin steps from the normal distribution."""
        x, step = 2 * noise.normal(*self.data.shape), self.config.step
        for _ in range(self.config.steps):
            x = x + step * self.score(x) + (2 * step) ** 0.5 * noise.normal(*self.data.shape)
        return x.detach()
