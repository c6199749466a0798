"""What counts of examples that have one shape but not one length: the leaf `length` or `mask` says it."""

from __future__ import annotations

import torch
from torch import Tensor

from .protocols import Batch


def counted(batch: Batch) -> Tensor:
    """Of batch["x"] (n, …), bool of its shape: which numbers belong to the examples, and which only pad them."""
    x, mask, length = batch["x"], batch.get("mask"), batch.get("length")
    inside = torch.ones(x.shape, dtype=torch.bool, device=x.device)
    if mask is not None:
        inside &= _over(mask.to(x.device) > 0, x)
    if length is not None:
        inside &= _over(torch.arange(x.shape[1], device=x.device) < length.to(x.device).reshape(-1, 1), x)
    return inside


def _over(flags: Tensor, x: Tensor) -> Tensor:
    """(n, T, …) with ones for the dimensions that x has beyond it."""
    return flags.reshape(*flags.shape, *[1] * (x.ndim - flags.ndim))
