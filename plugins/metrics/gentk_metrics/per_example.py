"""Metrics that are means over real examples: a few numbers are kept of each, not the example."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gentk.evaluation import Collected
from gentk.padding import counted
from gentk.protocols import Batch, Side


class PerExample(Collected):
    """Keeps what `numbers` says of each real example."""

    def numbers(self, rows: Batch) -> Batch:
        """(n, …) float64 each; row i depends on example i alone."""
        raise NotImplementedError

    def update(self, side: Side, rows: Batch) -> None:
        if side == "real":
            super().update(side, self.numbers(rows))


def observed(batch: Batch) -> Tensor:
    """Of batch["x"] (n, …), bool of its shape: which numbers are there, neither padding nor missing (NaN)."""
    return counted(batch) & ~torch.isnan(batch["x"])


def ratio(top: Tensor, bottom: Tensor | None = None) -> tuple[float, float | None]:
    """Σ top / Σ bottom of (n,) float64 each, and its standard error by the delta method (None for one example).

    Without `bottom` it is the mean, and the error is std/√n.
    """
    bottom = torch.ones_like(top) if bottom is None else bottom
    value = float(top.sum() / bottom.sum())
    if len(top) < 2:
        return value, None
    return value, float((top - value * bottom).std() / bottom.mean()) / math.sqrt(len(top))
