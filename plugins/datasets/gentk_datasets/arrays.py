"""Images held as bytes in memory, turned into floats batch by batch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.protocols import DataSpec, Leaf

from .augmenting import augmented
from .counters import uniforms
from .options import Augment

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
        augment: Augment | None = None,
        binarise: Binarise = "none",
        stream: str = "images",
        labelled: int | None = None,
    ) -> None:
        self.images = torch.from_numpy(np.ascontiguousarray(images))
        self.labels = None if labels is None else torch.from_numpy(labels.astype(np.int64))
        self.levels, self.augment, self.binarise, self.stream = levels, augment, binarise, stream
        self._known: Tensor | None = None
        if labelled and self.labels is not None:
            self._hide(labelled, len(names))
        leaf = Leaf(shape=tuple(self.images.shape[1:]), range=(-1, 1), levels=levels if binarise == "none" else 2)
        self.spec = DataSpec(
            modality="image",
            leaves={"x": leaf},
            conditions={} if labels is None else {"label": Leaf(classes=len(names), names=tuple(names))},
            frequencies={} if labels is None else {"label": list(frequencies)},
        )

    def _hide(self, labelled: int, classes: int) -> None:
        """Of all but `labelled` examples the label becomes `classes`, which says that it is not known."""
        assert self.labels is not None
        places = [(self.labels == c).nonzero()[:, 0] for c in range(classes)]
        turns = sorted((turn, c, int(place)) for c, rows in enumerate(places) for turn, place in enumerate(rows[:labelled]))
        self._known = torch.tensor([place for _, _, place in turns[:labelled]])
        known = torch.zeros(len(self.labels), dtype=torch.bool)
        known[self._known] = True
        self.labels = torch.where(known, self.labels, classes)
        self._unknown = (~known).nonzero()[:, 0]

    def __len__(self) -> int:
        return len(self.images) if self._known is None else 2 * len(self._unknown)

    @property
    def nbytes(self) -> int:
        return self.images.nbytes + (0 if self.labels is None else self.labels.nbytes)

    def to(self, device: torch.device) -> Images:
        """The same examples, held and put together on `device`."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                setattr(moved, name, value.to(device))
        return moved

    def _rows(self, indices: Sequence[int]) -> Tensor:
        """Where the examples stand. With hidden labels, every other one is labelled, so that a batch holds as many of both kinds."""
        chosen = torch.as_tensor(np.asarray(indices, np.int64)).to(self.images.device, non_blocking=True)
        if self._known is None:
            return chosen
        half = chosen // 2
        return torch.where(chosen % 2 == 0, self._unknown[half], self._known[half % len(self._known)])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`: x (n, C, H, W) float32, label (n,) int64. Augmentation and dynamic binarisation are drawn from `noise`, whose
        row i belongs to indices[i]; without it nothing is augmented, and each example is binarised by a draw of its own."""
        chosen = self._rows(indices)
        grey = augmented(self.images[chosen], self.augment, noise, levels=self.levels)
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
            u = torch.from_numpy(uniforms(self.stream, chosen.cpu().numpy(), int(np.prod(shape)))).reshape(len(chosen), *shape)
        return (u.to(grey.device, non_blocking=True) * top < grey).float() * 2 - 1


def shares(labels: NDArray[np.int64], classes: int) -> list[float]:
    """How often each class occurs, summing to 1."""
    counts = np.bincount(labels, minlength=classes)
    return [float(count) / len(labels) for count in counts]
