"""Between a row of tokens and the leaf that it fills: token k stands at place `places[k]` of the flattened leaf."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..conditions import File
from ..errors import UsageError
from ..protocols import Condition, DataSpec

if TYPE_CHECKING:
    from torch import Tensor


RANGE = (-1.0, 1.0)  # of levels, where a leaf does not say it


class Places:
    """How the tokens (n, L) of a NextToken model become its leaf x (n, *shape), and back.

    x is int64 where the leaf has `classes`, and the float32 value of each level within `range` where it has `levels`.
    """

    def __init__(self, model: Any) -> None:
        self.leaf = model.data.leaves["x"]
        self.room = math.prod(self.leaf.shape)
        self.vocabulary = self.leaf.classes or self.leaf.levels
        order = getattr(model, "places", None)
        self.order: Tensor | None = None if order is None else order.cpu()

    def x(self, tokens: Tensor) -> Tensor:
        """(n, L) int64 → (n, *shape)."""
        import torch

        if self.order is not None:
            tokens = torch.zeros_like(tokens).index_copy_(1, self.order, tokens)
        placed = tokens.reshape(-1, *self.leaf.shape)
        if self.leaf.classes:
            return placed if self.order is not None else placed.clone()
        low, step = self._scale()
        return (low + step * placed.double()).float()

    def tokens(self, x: Tensor) -> Tensor:
        """(n, *shape) → (n, L) int64: the nearest level of each number. Raises UsageError for a number that is no class."""
        flat = x.reshape(len(x), -1).cpu().double()
        if not self.leaf.classes:
            low, step = self._scale()
            flat = ((flat - low) / step).clamp(0, self.vocabulary - 1)
        tokens = flat.round().long()
        if self.leaf.classes and bool(((flat != tokens) | (tokens < 0) | (tokens >= self.leaf.classes)).any()):
            raise UsageError(f"known: its numbers must be whole, from 0 to {self.leaf.classes - 1}")
        return tokens if self.order is None else tokens[:, self.order]

    def flags(self, mask: Tensor) -> Tensor:
        """A mask (n, …) that broadcasts over x, true above 0 → (n, L) bool, by token."""
        flat = (mask.cpu() > 0).expand(len(mask), *self.leaf.shape).reshape(len(mask), -1)
        return flat if self.order is None else flat[:, self.order]

    def _scale(self) -> tuple[float, float]:
        """The value of token 0, and what lies between two tokens."""
        low, high = self.leaf.range or RANGE
        return low, (high - low) / max(self.vocabulary - 1, 1)


def conditions(data: DataSpec) -> Mapping[str, Condition]:
    """`known` and `known_mask` of image-like leaves. A text is given a prompt instead, and codes are no one's to know."""
    leaf = data.leaves["x"]
    if data.modality == "codes" or not (leaf.levels or len(leaf.shape) > 1):
        return {}
    return dict(_files(leaf.shape, data.modality))


@cache
def _files(shape: tuple[int, ...], modality: str) -> dict[str, Condition]:
    mask = (1, *shape[1:]) if len(shape) == 3 else shape
    return {
        "known": File(shape=shape, modality=modality, help="Fill in the rest of this, which stays as it is."),
        "known_mask": File(shape=mask, modality=modality, mask=True, help="What of it is known: white (or opaque), or above 0."),
    }
