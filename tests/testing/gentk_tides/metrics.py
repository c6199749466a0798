"""A metric that keeps sums, and a featurizer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gentk.errors import GentkError, UsageError
from gentk.protocols import Batch, DataSpec, Score, Side


class Levels:
    """How far the means of the features are apart, in deviations of the real ones, and the ratio of the deviations."""

    def __init__(self, data: DataSpec, scale: float) -> None:
        self.scale, self.sums = scale, dict[str, Tensor]()

    def update(self, side: Side, rows: Batch) -> None:
        x = rows["features"] / self.scale
        self.add(side, torch.stack([torch.full_like(x[0], len(x)), x.sum(0), x.square().sum(0)]))

    def add(self, side: str, sums: Tensor) -> None:
        self.sums[side] = self.sums[side] + sums if side in self.sums else sums

    def state(self) -> Mapping[str, Tensor]:
        return self.sums

    def merge(self, state: Mapping[str, Tensor]) -> None:
        for side, sums in state.items():
            self.add(side, sums)

    def moments(self, side: Side) -> tuple[Tensor, Tensor]:
        """Mean and deviation (d,). Raises GentkError."""
        if side not in self.sums:
            raise GentkError(f"there are no {side} rows to measure")
        count, first, second = self.sums[side]
        if not bool(second.isfinite().all()):
            raise GentkError(f"the features of {side} rows are not finite")
        mean = first / count
        return mean, (second / count - mean.square()).clamp(min=0).sqrt()

    def compute(self) -> list[Score]:
        (mean, deviation), (mean_real, deviation_real) = self.moments("generated"), self.moments("real")
        apart = float(((mean - mean_real) / deviation_real).square().mean().sqrt())
        return [
            Score(name="level-error", value=apart, better="lower", unit="deviations"),
            Score(name="spread-ratio", value=float((deviation / deviation_real).mean()), better="floor"),
        ]


class Harmonics:
    """Amplitudes of the waves in rows of grey levels."""

    id = "harmonics"

    def __init__(self, data: DataSpec) -> None:
        if data.modality != "image" or data.shape[0] != 1:
            raise UsageError(f"harmonics are of grey levels, and these examples are {data.modality} {data.shape}")

    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"features": torch.fft.rfft(batch["x"].double().flatten(1)).abs()}
