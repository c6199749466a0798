"""Models whose answers are known in closed form."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from gentk.conditions import Label
from gentk.protocols import Batch, DataSpec, Leaf, Noise


class TwoGaussians(nn.Module):
    """N(±1, 1) by class in one dimension, class 1 three times as common. `samples`: one of the noise's normals of each is added, weighted
    by 1/√samples, so that what is random can be seen."""

    likelihood = "exact"
    Config = config = None

    def __init__(self, labelled: bool = True) -> None:
        super().__init__()
        self.data = DataSpec(
            modality="points",
            leaves={"x": Leaf(shape=(1,))},
            conditions={"label": Leaf(classes=2, names=("low", "high"))},
            frequencies={"label": [0.25, 0.75]},
        )
        self.conditions: dict[str, Any] = {"label": Label.of(self.data)} if labelled else {}
        self.place = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def log_prob(self, batch: Batch, noise: Noise, *, samples: int = 0) -> Tensor:
        mean = 2.0 * batch["label"].double() - 1
        nats = -0.5 * (batch["x"][:, 0].double() - mean).square() - 0.5 * math.log(2 * math.pi)
        return nats + (noise.normal().double() / math.sqrt(samples) if samples else 0)


class Normal(nn.Module):
    """N(mean, cov), float64; fills in by its conditional law, and remembers what it was shown."""

    likelihood = "exact"
    conditions: dict[str, Any] = {}
    Config = config = None

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        super().__init__()
        self.mean, self.covariance = nn.Parameter(mean.double()), nn.Parameter(covariance.double())
        self.data = DataSpec(modality="points", leaves={"x": Leaf(shape=(len(mean),))})
        self.seen: list[Tensor] = []

    def impute(self, batch: Batch, known: Tensor, noise: Noise, *, spread: float = 1.0) -> Tensor:
        self.seen.append(batch["x"].clone())
        rows, normal = [], noise.normal(len(self.mean)).double()
        for x, here, z in zip(batch["x"].double(), known, normal, strict=True):
            mean, covariance = self.given(x, here)
            row = x.clone()
            row[~here] = mean + spread * torch.linalg.cholesky(covariance) @ z[~here]
            rows.append(row)
        return torch.stack(rows)

    def given(self, x: Tensor, here: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the rest of one row: the law's precision matrix Λ says N(μ_u − Λ_uu⁻¹ Λ_uk (x_k − μ_k), Λ_uu⁻¹)."""
        precision = torch.linalg.inv(self.covariance.detach())
        inner = torch.linalg.inv(precision[~here][:, ~here])
        mean = self.mean.detach()[~here] - inner @ precision[~here][:, here] @ (x[here] - self.mean.detach()[here])
        return mean, inner


class Linear(nn.Module):
    """The projection onto the first k of d coordinates, there and back; `label` moves it along the last one, by shares as by classes."""

    Config = config = None
    blends = ("label",)

    def __init__(self, d: int = 5, k: int = 2, classes: int = 0, leaf: Leaf | None = None) -> None:
        super().__init__()
        self.data = DataSpec(modality="points", leaves={"x": leaf or Leaf(shape=(d,))}, conditions={"label": Leaf(classes=classes)})
        self.conditions: dict[str, Any] = {"label": Label.of(self.data)} if classes else {}
        self.latent, self.k = Leaf(shape=(k,)), k
        self.place = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def encode(self, batch: Batch) -> Tensor:
        return batch["x"].flatten(1)[:, : self.k]

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        x = torch.zeros(len(z), math.prod(self.data.shape), dtype=z.dtype)
        x[:, : self.k] = z
        if "label" in cond:
            label = cond["label"]
            x[:, -1] = label @ torch.arange(label.shape[1], dtype=z.dtype) if label.is_floating_point() else label.to(z)
        return x.view(-1, *self.data.shape)

    def prior(self, n: int, noise: Noise) -> Tensor:
        return noise.normal(self.k)
