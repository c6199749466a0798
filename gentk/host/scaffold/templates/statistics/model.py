"""Principal components with a likelihood (Tipping & Bishop 1999), fitted in one pass over the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from gentk.errors import UsageError
from gentk.protocols import Batch, DataSpec, Leaf, Noise
from torch import Tensor, nn

from .config import TemplateConfig


class Template(nn.Module):
    """x = W z + μ + σ ε with z, ε ~ N(0, I), so that x ~ N(μ, W Wᵀ + σ² I). x of any shape counts as one vector of d numbers.

    All state is float64 buffers: mean μ (d,), weight W (d, k), variance σ² ().
    """

    Config = TemplateConfig
    likelihood: Literal["exact"] = "exact"
    passes = 1  # a closed form
    conditions: Mapping[str, Any] = {}
    mean: Tensor
    weight: Tensor
    variance: Tensor

    def __init__(self, config: TemplateConfig, data: DataSpec) -> None:
        super().__init__()
        size, k = math.prod(data.shape), config.components
        if data.leaves["x"].classes or size <= k:
            raise UsageError(f"{k} components want more than {k} numbers; these examples are {data.modality} {data.shape}")
        self.config, self.data = config, data
        self.latent = Leaf(shape=(k,))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("weight", torch.zeros(size, k, dtype=torch.float64))
        self.register_buffer("variance", torch.ones((), dtype=torch.float64))

    def start(self, batch: Batch) -> None:
        """Near the mean, so that the sums below lose no digits to it."""
        self.mean.copy_(batch["x"].flatten(1).double().mean(0))

    def centred(self, batch: Batch) -> Tensor:
        return batch["x"].flatten(1).double() - self.mean

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Sums over examples: of 1, of c and of c cᵀ with c = x − μ. They add over batches and over machines."""
        c = self.centred(batch)
        return {"count": c.new_tensor(len(c)), "first": c.sum(0), "second": c.T @ c}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        """The likelihood's maximum (their eq. 7 and 8): with λ and U the values and vectors of the data's covariance, largest first,
        σ² is the mean of those that are left out, and W = U (Λ − σ² I)^½ of the k that are not."""
        k, shift = self.config.components, stats["first"] / stats["count"]
        covariance = stats["second"] / stats["count"] - shift.outer(shift)
        values, vectors = (part.flip(-1) for part in torch.linalg.eigh(covariance))
        variance = values[k:].mean().clamp(min=1e-12)
        self.mean += shift
        self.variance.copy_(variance)
        self.weight.copy_(vectors[:, :k] * (values[:k] - variance).clamp(min=0).sqrt())
        log_det = values[:k].clamp(min=variance).log().sum() + len(values[k:]) * variance.log()
        return {"log_likelihood": float(-0.5 * (len(values) * (math.log(2 * math.pi) + 1) + log_det))}

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        """Nats (n,), in the data's own units."""
        size = len(self.mean)
        root = torch.linalg.cholesky(self.weight @ self.weight.T + self.variance * torch.eye(size).to(self.mean))
        white = torch.linalg.solve_triangular(root, self.centred(batch).T, upper=False)
        density: Tensor = -0.5 * (white.square().sum(0) + size * math.log(2 * math.pi)) - root.diagonal().log().sum()
        return density

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        size, k = self.weight.shape
        z, e = noise.normal(k).double(), noise.normal(size).double()
        return self.decode(z, cond) + self.variance.sqrt() * e.reshape(n, *self.data.shape)

    def encode(self, batch: Batch) -> Tensor:
        """E[z | x] = (Wᵀ W + σ² I)⁻¹ Wᵀ (x − μ), (n, k)."""
        inner = self.weight.T @ self.weight + self.variance * torch.eye(self.weight.shape[1]).to(self.mean)
        found: Tensor = torch.linalg.solve(inner, self.weight.T @ self.centred(batch).T).T
        return found

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        """E[x | z] = W z + μ, (n, …)."""
        return (z.double() @ self.weight.T + self.mean).reshape(len(z), *self.data.shape)

    def facts(self) -> dict[str, Any]:
        """For `gentk inspect --facts`."""
        spread = self.weight.square().sum(0)
        return {"noise": float(self.variance.sqrt()), "components": spread.sqrt().tolist()}
