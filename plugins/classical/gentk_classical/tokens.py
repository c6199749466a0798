"""What models of sequences ask of their data."""

from __future__ import annotations

import torch
from torch import Tensor

from gentk.errors import UsageError, did_you_mean
from gentk.protocols import Batch, DataSpec


def lengths(batch: Batch, steps: int) -> Tensor:
    """How many steps of each example count, (n,): the leaf `length`, else all."""
    n = len(batch["x"])
    return batch["length"] if "length" in batch else torch.full((n,), steps, device=batch["x"].device)


def stop_token(name: str | None, data: DataSpec) -> int | None:
    """The token called `name`, with which a text ends. Raises UsageError where the data have none, or no lengths."""
    if name is None:
        return None
    x = data.leaves["x"]
    names = x.names or tuple(map(str, range(x.classes)))
    if name not in names:
        raise UsageError(f"stop = {name!r} is no token of these data{did_you_mean(name, names)}")
    if "length" not in data.leaves:
        raise UsageError(f"stop = {name!r} would end examples early, and these data have no lengths: leave stop out")
    return names.index(name)


def ended(x: Tensor, stop: int) -> Tensor:
    """How long each row of tokens (n, L) is, its first `stop` included: (n,)."""
    before = (x != stop).long().cumprod(1).sum(1)
    return (before + 1).clamp(max=x.shape[1])
