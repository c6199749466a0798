"""Images held as bytes in memory, turned into floats batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.protocols import DataSpec, Leaf

from .counters import uniforms

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

Binarise = Literal["none", "threshold", "dynamic"]


class Images:
    """Leaf `x` (C, H, W) float32 in [-1, 1], and the condition `label` where labels are given.

    `images`: (N, C, H, W) uint8 with values 0 … levels - 1. `frequencies`: the share of each class in the training split.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64] | None = None,
        *,
        names: Sequence[str] = (),
        frequencies: Sequence[float] = (),
        levels: int = 256,
        flip: bool = False,
        binarise: Binarise = "none",
        stream: str = "images",
    ) -> None:
        self.images = torch.from_numpy(np.ascontiguousarray(images))
        self.labels = None if labels is None else torch.from_numpy(labels.astype(np.int64))
        self.levels, self.flip, self.binarise, self.stream = levels, flip, binarise, stream
        leaf = Leaf(shape=tuple(self.images.shape[1:]), range=(-1, 1), levels=levels if binarise == "none" else 2)
        self.spec = DataSpec(
            modality="image",
            leaves={"x": leaf},
            conditions={} if labels is None else {"label": Leaf(classes=len(names), names=tuple(names))},
            frequencies={} if labels is None else {"label": list(frequencies)},
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`: x (n, C, H, W) float32, label (n,) int64. Flips and dynamic binarisation are drawn from `noise`, whose
        row i belongs to indices[i]; without it nothing is flipped, and each example is binarised by a draw of its own."""
        chosen = torch.as_tensor(np.asarray(indices, np.int64))
        grey = self.images[chosen]
        if self.flip and noise is not None:
            grey = flipped(grey, noise)
        batch = {"x": self._floats(grey, chosen, noise)}
        if self.labels is not None:
            batch["label"] = self.labels[chosen]
        return batch

    def _floats(self, grey: Tensor, chosen: Tensor, noise: Noise | None) -> Tensor:
        top = self.levels - 1
        if self.binarise == "none":
            return grey.float() / (top / 2) - 1
        if self.binarise == "threshold":
            return (grey > top // 2).float() * 2 - 1
        shape = tuple(grey.shape[1:])
        if noise is not None:
            u = noise.uniform(*shape)
        else:
            u = torch.from_numpy(uniforms(self.stream, chosen.numpy(), int(np.prod(shape)))).reshape(len(chosen), *shape)
        return (u * top < grey).float() * 2 - 1


def flipped(images: Tensor, noise: Noise) -> Tensor:
    """Half of the images (n, C, H, W) mirrored left to right: one uniform a row."""
    mirror = noise.uniform().to(images.device) < 0.5
    return torch.where(mirror[:, None, None, None], images.flip(-1), images)


def shares(labels: NDArray[np.int64], classes: int) -> list[float]:
    """How often each class occurs, summing to 1."""
    counts = np.bincount(labels, minlength=classes)
    return [float(count) / len(labels) for count in counts]
