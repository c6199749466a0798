"""A mixture of Gaussians with full covariances, fitted by expectation and maximisation (Dempster et al. 1977)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.protocols import Batch, DataSpec, Noise

from .config import MixtureConfig


class Mixture(nn.Module):
    """p(x) = Σ_k π_k N(x; μ_k, Σ_k). All state is float64 buffers, first set in `start`: share (K,), mean (K, d), covariance (K, d, d)."""

    Config = MixtureConfig
    likelihood: Literal["exact"] = "exact"
    passes = 50
    conditions: Mapping[str, Any] = {}
    share: Tensor
    mean: Tensor
    covariance: Tensor

    def __init__(self, config: MixtureConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        k, d = config.components, data.shape[0]
        self.register_buffer("share", torch.full((k,), 1 / k, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(k, d, dtype=torch.float64))
        self.register_buffer("covariance", torch.zeros(k, d, d, dtype=torch.float64))

    def start(self, batch: Batch) -> None:
        """Each mean is the example farthest from the means before it; the covariances are small shares of the data's."""
        x = batch["x"].double()
        chosen = [0]
        while len(chosen) < self.config.components:
            chosen.append(int(torch.cdist(x, x[chosen]).amin(1).argmax()))
        self.mean.copy_(x[chosen])
        self.covariance.copy_((0.05 * torch.cov(x.T)).expand_as(self.covariance))

    def log_joint(self, x: Tensor) -> Tensor:
        """log π_k N(x; μ_k, Σ_k): (n, d) → (n, K)."""
        root = torch.linalg.cholesky(self.covariance)
        difference = (x[None] - self.mean[:, None]).mT  # (K, d, n)
        white = torch.linalg.solve_triangular(root, difference, upper=False)
        log_det = root.diagonal(dim1=1, dim2=2).log().sum(1)
        constant = 0.5 * x.shape[1] * math.log(2 * math.pi)
        log_joint: Tensor = (self.share.log() - log_det - constant) - 0.5 * white.square().sum(1).T
        return log_joint

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        return self.log_joint(batch["x"].double()).logsumexp(1)

    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:
        """Each row given what is known of it, component by component: N(μ_u + Σ_uk Σ_kk⁻¹ (x_k − μ_k), Σ_uu − Σ_uk Σ_kk⁻¹ Σ_ku)."""
        uniform, normal = noise.uniform(), noise.normal(self.data.shape[0]).double()
        rows = []
        for x, here, u, z in zip(batch["x"].double(), known, uniform, normal, strict=True):
            gone = ~here
            shared = self.covariance[:, here][:, :, here]
            gain = torch.linalg.solve(shared, self.covariance[:, here][:, :, gone]).mT
            heard = torch.distributions.MultivariateNormal(self.mean[:, here], shared).log_prob(x[here]) if here.any() else 0
            weight = (self.share.log() + heard).softmax(0)
            k = int((weight.cumsum(0) < u).sum().clamp(max=len(weight) - 1))
            mean = self.mean[k, gone] + gain[k] @ (x[here] - self.mean[k, here])
            left = self.covariance[k][gone][:, gone] - gain[k] @ self.covariance[k][here][:, gone]
            row = x.clone()
            row[gone] = mean + torch.linalg.cholesky(left) @ z[gone] if gone.any() else mean
            rows.append(row)
        return torch.stack(rows)

    def facts(self) -> dict[str, Any]:
        return {"shares": self.share.tolist(), "means": self.mean.tolist()}

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Sums over examples, weighted by each component's responsibility r: of r, of r·c and of r·c cᵀ with c = x − μ_k."""
        x = batch["x"].double()
        joint = self.log_joint(x)
        total = joint.logsumexp(1)
        responsibility = (joint - total[:, None]).exp()
        centred = x[:, None] - self.mean  # centred on the old means, so that nothing cancels far from the origin
        return {
            "weight": responsibility.sum(0),
            "first": torch.einsum("nk,nkd->kd", responsibility, centred),
            "second": torch.einsum("nk,nkd,nke->kde", responsibility, centred, centred),
            "log_likelihood": total.sum(),
            "count": torch.tensor(float(len(x)), dtype=torch.float64),
        }

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        weight = stats["weight"] + 1e-10
        shift = stats["first"] / weight[:, None]
        second = stats["second"] / weight[:, None, None]
        self.covariance.copy_(second - shift[:, :, None] * shift[:, None, :] + 1e-6 * torch.eye(shift.shape[1]))
        self.mean += shift
        self.share.copy_(stats["weight"] / stats["count"])
        return {"log_likelihood": float(stats["log_likelihood"] / stats["count"])}

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        component = noise.categorical(self.share.log().expand(n, -1))
        root = torch.linalg.cholesky(self.covariance)[component]
        z = noise.normal(self.data.shape[0]).double()
        x: Tensor = self.mean[component] + (root @ z[..., None])[..., 0]
        return x
