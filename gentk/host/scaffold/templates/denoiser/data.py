"""The examples: made up, so that nothing has to be downloaded."""

from __future__ import annotations

import math

import torch
from gentk.protocols import DataSpec, Leaf
from torch import Tensor

ARMS = ("first", "second", "third")


class TemplateData:
    """x (2,): a point of a pinwheel with three bent arms. label: which arm."""

    spec = DataSpec(
        modality="points",
        leaves={"x": Leaf(shape=(2,))},
        conditions={"label": Leaf(classes=3, names=ARMS)},
        frequencies={"label": [1 / 3, 1 / 3, 1 / 3]},
    )

    def __init__(self, split: str = "train", size: int = 4096) -> None:
        draw = torch.Generator().manual_seed(("train", "test").index(split))
        self.label = torch.randint(3, (size,), generator=draw)
        radius = 1 + 0.3 * torch.randn(size, generator=draw)
        across = 0.08 * torch.randn(size, generator=draw)
        angle = 2 * math.pi / 3 * self.label + 1.2 * radius
        out, side = torch.stack([angle.cos(), angle.sin()], 1), torch.stack([-angle.sin(), angle.cos()], 1)
        self.x = radius[:, None] * out + across[:, None] * side

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index], "label": self.label[index]}
