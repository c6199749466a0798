"""Examples of any shape as rows of tokens, in the order in which a model predicts them, and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Leaf

RANGE = (-1.0, 1.0)  # of levels, where a leaf does not say it


def vocabulary(leaf: Leaf) -> int:
    """V. Raises UsageError for a leaf of continuous numbers."""
    if not leaf.classes and leaf.levels < 2:
        raise UsageError("token by token goes with classes or levels, and these numbers are continuous")
    return leaf.classes or leaf.levels


def tokens_of(x: Tensor, leaf: Leaf, places: Tensor | None = None) -> Tensor:
    """x (n, *shape) → tokens (n, L) int64 in the model's order. Of levels, each number is the nearest one."""
    flat = x.flatten(1)
    if not leaf.classes:
        low, high = leaf.range or RANGE
        flat = ((flat - low) * ((vocabulary(leaf) - 1) / (high - low))).round().clamp(0, leaf.levels - 1)
    return (flat if places is None else flat[:, places.to(flat.device)]).long()


def placed(tokens: Tensor, leaf: Leaf, places: Tensor | None = None) -> Tensor:
    """Tokens (n, L) in the model's order → x (n, *shape): int64 of classes, float32 of levels."""
    values = tokens
    if not leaf.classes:
        low, high = leaf.range or RANGE
        values = (tokens.double() * ((high - low) / (vocabulary(leaf) - 1)) + low).float()
    if places is not None:
        values = values.new_zeros(values.shape).index_copy(1, places.to(values.device), values)
    return values.reshape(len(tokens), *leaf.shape)


def room(leaf: Leaf) -> int:
    """L, how many tokens an example has."""
    return math.prod(leaf.shape)
