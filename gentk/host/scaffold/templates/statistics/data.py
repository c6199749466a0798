"""The examples: made up, so that nothing has to be downloaded."""

from __future__ import annotations

import math

import torch
from gentk.protocols import DataSpec, Leaf
from torch import Tensor

HOURS, PERIODS, AMPLITUDES = 24, (24, 12), (0.5, 1.0)


class TemplateData:
    """x (24, 1): a day of hourly water levels, the sum of a wave of 24 and one of 12 hours and of noise.

    Each wave is a cos ωt + b sin ωt with a and b normal: x is Gaussian with four directions beyond the noise.
    """

    spec = DataSpec(modality="series", leaves={"x": Leaf(shape=(HOURS, 1))})

    def __init__(self, split: str = "train", size: int = 4096, noise: float = 0.1) -> None:
        draw = torch.Generator().manual_seed(("train", "test").index(split))
        x = noise * torch.randn(size, HOURS, generator=draw)
        for period, amplitude in zip(PERIODS, AMPLITUDES, strict=True):
            angle = 2 * math.pi / period * torch.arange(HOURS)
            a, b = amplitude * torch.randn(2, size, 1, generator=draw)
            x += a * angle.cos() + b * angle.sin()
        self.x = x[..., None]

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index]}
