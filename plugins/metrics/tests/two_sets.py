"""Pairs of sets of features, and measuring them in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gentk.host import resolve
from gentk.protocols import DataSpec, Leaf, Metric, Score, Side
from gentk_metrics.plugin import gentk_metrics

DATA = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})
SPECS = {spec.name: spec for spec in gentk_metrics()}


def metric(name: str, **options: Any) -> Metric:
    found: Metric = resolve(SPECS[name].target)(DATA, **options)
    return found


def told(of: Metric) -> dict[str, Score]:
    found = of.compute()
    scores = [found] if isinstance(found, Score) else found
    return {score.name: score for score in scores}


def fed(of: Metric, generated: Tensor, real: Tensor, size: int = 10_000) -> Metric:
    """The metric after batches of `size` rows of each side."""
    sides: Sequence[tuple[Side, Tensor]] = (("generated", generated), ("real", real))
    for side, x in sides:
        for part in x.split(size):
            of.update(side, {"features": part})
    return of


def measured(name: str, generated: Tensor, real: Tensor, **options: Any) -> dict[str, Score]:
    return told(fed(metric(name, **options), generated, real))


def value(name: str, generated: Tensor, real: Tensor, **options: Any) -> float:
    """Of a metric with a single score."""
    (score,) = measured(name, generated, real, **options).values()
    return score.value


def normal(n: int, d: int, seed: int = 0) -> Tensor:
    """(n, d) float64."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whitened(n: int, d: int, seed: int = 0) -> Tensor:
    """(n, d) whose sample mean is 0 and whose unbiased sample covariance is 1, both exactly."""
    z = normal(n, d, seed)
    return torch.linalg.qr(z - z.mean(0)).Q * (n - 1) ** 0.5
