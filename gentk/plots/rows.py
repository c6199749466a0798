"""Examples in rows that belong together: what was, what was made of it, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

    from ..modalities import Modality
    from ..protocols import DataSpec

ACROSS = 10
"""Examples in a row, where there are many."""


def alternating(groups: Sequence[Tensor], across: int = ACROSS) -> tuple[Tensor, int]:
    """Groups of n examples each as the rows of a grid: the first ones of every group, then the next ones. → (all, columns).

    The last rows are filled up with the ground of the grid, so that every row is full.
    """
    import torch

    from ..modalities.image import GROUND

    columns = min(across, len(groups[0]))
    blank = torch.full_like(groups[0][:1], GROUND / 127.5 - 1)
    found = []
    for first in range(0, len(groups[0]), columns):
        for group in groups:
            row = group[first : first + columns]
            found += [row, blank.expand(columns - len(row), *blank.shape[1:])]
    return torch.cat(found), columns


def rows(groups: Sequence[Tensor], kind: Modality, data: DataSpec) -> PIL.Image.Image:
    """The picture of `alternating`, for what is a picture by itself."""
    x, columns = alternating(groups)
    return kind.picture({"x": x}, data, columns)
