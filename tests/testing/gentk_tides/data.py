"""Gauges: heights of the tide as a row of grey levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gentk.protocols import DataSpec, Leaf, Noise

LEAVES = {"x": Leaf(shape=(1, 2, 4), range=(-1, 1), levels=256)}


class Gauges:
    """x (1, 2, 4), and the condition `label`: whether it is spring tide."""

    def __init__(self, split: str, swell: float) -> None:
        self.split, self.swell = split, swell
        self.spec = DataSpec(modality="image", leaves=LEAVES, conditions={"label": Leaf(classes=2)}, frequencies={"label": [0.5, 0.5]})

    def __len__(self) -> int:
        return 400

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        label = index % 2
        rows = np.random.Generator(np.random.Philox(key=[len(self.split), index]))
        tide = np.sin(np.arange(8) * (0.5 + label)).reshape(1, 2, 4) / 2 + self.swell * rows.standard_normal((1, 2, 4))
        grey = np.clip(np.rint((tide + 1) * 127.5), 0, 255)
        return {"x": torch.tensor(grey / 127.5 - 1, dtype=torch.float32), "label": torch.tensor(label)}

    def batch(self, indices: Sequence[int], noise: Noise) -> dict[str, Tensor]:
        rows = [self[i] for i in indices]
        return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}


def gauges(split: str = "train", swell: float = 0.1) -> Gauges:
    return Gauges(split, swell)
