"""Images that are decoded when they are asked for, and kept as bytes from then on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.protocols import DataSpec, Leaf

from .arrays import shares
from .augmenting import augmented
from .options import Augment

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

KEPT = 2**30
"""Bytes of decoded images kept in memory; a data set that needs more is decoded every time."""
LARGEST = 64  # a size that nobody asked for is this at most


class Pictures:
    """Leaf `x` (channels, size, size) float32 in [-1, 1], and the condition `label` where there are classes. `_read` decodes one image.

    `labels`: the class of each example; `training`: those of the training split, whose shares are told.
    """

    def __init__(
        self,
        count: int,
        channels: int,
        size: int,
        *,
        augment: Augment | None = None,
        labels: NDArray[np.int64] | None = None,
        training: NDArray[np.int64] | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self.count, self.channels, self.size, self.augment, self.labels = count, channels, size, augment, labels
        leaf = Leaf(shape=(channels, size, size), range=(-1, 1), levels=256)
        labelled = labels is not None and training is not None
        self.spec = DataSpec(
            modality="image",
            leaves={"x": leaf},
            conditions={"label": Leaf(classes=len(names), names=tuple(names))} if labelled else {},
            frequencies={"label": shares(training, len(names))} if training is not None and labelled else {},
        )
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._keep = count * channels * size**2 <= KEPT

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`; augmentation is drawn from `noise`, row i for indices[i]. Raises GentkError for a broken file."""
        wanted = [int(i) for i in indices]
        images = torch.from_numpy(np.stack([self._bytes(i) for i in wanted]))
        batch = {"x": augmented(images, self.augment, noise).float() / 127.5 - 1}
        if self.labels is not None:
            batch["label"] = torch.from_numpy(self.labels[wanted])
        return batch

    def _bytes(self, index: int) -> NDArray[np.uint8]:
        if index in self._kept:
            return self._kept[index]
        image = self._read(index)
        if self._keep:
            self._kept[index] = image
        return image

    def _read(self, index: int) -> NDArray[np.uint8]:
        raise NotImplementedError


def as_bytes(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pixels in [-1, 1] as 0 … 255."""
    return np.asarray(((pixels + 1) * 127.5).round(), np.uint8)


def usual_size(sides: Sequence[int]) -> int:
    """The middle one of the shorter sides, rounded to a size that halves twice, 64 at most."""
    middle = sorted(sides)[len(sides) // 2]
    return min(LARGEST, max(8, (middle + 2) // 4 * 4))
