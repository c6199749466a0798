"""The distance between two Gaussians without correlations (Dowson & Landau 1982)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from gentk.errors import GentkError
from gentk.protocols import Batch, DataSpec, Score, Side
from torch import Tensor


class Template:
    """√Σ (μ − μ′)² + (σ − σ′)² over the features, μ and σ being their means and deviations: W₂ of Gaussians with diagonal covariances.

    Blind to correlations. Keeps sums and no rows, so that there may be any number of them; `gentk.evaluation.Collected` is the base of
    metrics that want to see all rows at once.
    """

    def __init__(self, data: DataSpec, root: bool = True) -> None:
        self.root, self.moments = root, dict[str, Tensor]()

    def update(self, side: Side, rows: Batch) -> None:
        """Count, mean and sum of squared differences from it, (3, d) float64, of the rows."""
        x = rows["features"].double()
        if len(x):
            mean = x.mean(0)
            self.merge({side: torch.stack([torch.full_like(mean, len(x)), mean, (x - mean).square().sum(0)])})

    def state(self) -> Mapping[str, Tensor]:
        return dict(self.moments)

    def merge(self, state: Mapping[str, Tensor]) -> None:
        """As Chan, Golub & LeVeque (1979) put moments together: no digits are lost where the mean is large."""
        for side, (n, mean, squares) in state.items():
            if side in self.moments:
                m, before, both = self.moments[side]
                apart, total = mean - before, n + m
                squares, mean = squares + both + apart.square() * n * m / total, before + apart * n / total
                n = total
            self.moments[side] = torch.stack([n, mean, squares])

    def gaussian(self, side: Side) -> tuple[Tensor, Tensor]:
        """Means and deviations of a side, (d,). Raises GentkError if there are too few rows, or numbers that are not finite."""
        count = int(self.moments[side][0, 0]) if side in self.moments else 0
        if count < 2:
            raise GentkError(f"template needs at least 2 {side} examples, and there are {count}")
        _, mean, squares = self.moments[side]
        if not bool(squares.isfinite().all()):
            raise GentkError(f"template: the features of {side} examples are not all finite: look at these examples")
        return mean, (squares / (count - 1)).sqrt()

    def compute(self) -> Score:
        (mean, deviation), (mean_real, deviation_real) = self.gaussian("generated"), self.gaussian("real")
        square = float(((mean - mean_real).square() + (deviation - deviation_real).square()).sum())
        value = math.sqrt(square) if self.root else square
        return Score(name="template", value=value, better="lower", library=f"torch {torch.__version__}", parameters={"root": self.root})
