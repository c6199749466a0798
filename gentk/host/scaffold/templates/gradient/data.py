"""The examples: made up, so that nothing has to be downloaded."""

from __future__ import annotations

import torch
from gentk.protocols import DataSpec, Leaf
from torch import Tensor


class TemplateData:
    """x (2,): x₀ ~ N(0, 1) and x₁ ~ N(sin 2x₀, thickness²), whose density is known: a wave."""

    spec = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})

    def __init__(self, split: str = "train", size: int = 8192, thickness: float = 0.3) -> None:
        draw = torch.Generator().manual_seed(("train", "test").index(split))
        along, across = torch.randn(2, size, generator=draw)
        self.x = torch.stack([along, (2 * along).sin() + thickness * across], 1)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index]}
