"""Numbers of a column cut into bins that hold as many rows each, and drawn back."""

from __future__ import annotations

import torch
from torch import Tensor

from gentk.columns import resolution
from gentk.protocols import Column

BEYOND = torch.finfo(torch.float64).max  # the edges of bins that no row can be in


def cut(x: Tensor, bins: int, column: Column) -> Tensor:
    """Edges (bins + 1,) float64 of the numbers x (n,), n ≥ 1, none of them missing: the quantiles, BEYOND after those that differ.

    Whole numbers and dates are cut halfway between two neighbours. A value that takes a bin by itself has one: of a number its edges are
    equal, and its share a mass.
    """
    x, step = x.sort().values, resolution(column)
    places = (torch.arange(bins + 1, dtype=torch.float64) * len(x) / bins).long().clamp(max=len(x) - 1)
    values, often = torch.unique_consecutive(x[places.to(x.device)], return_counts=True)
    twice = values[often > 1]
    if step:
        edges = torch.unique(torch.cat([values[:-1] - step / 2, values[-1:] + step / 2, twice - step / 2, twice + step / 2]))
    else:
        edges = torch.cat([values, twice]).sort().values
    found = torch.full((bins + 1,), BEYOND, dtype=torch.float64, device=x.device)
    found[: len(edges)] = edges
    return found


def used(edges: Tensor) -> Tensor:
    """(bins,) bool: which bins there are."""
    return edges[1:] < BEYOND


def state(edges: Tensor, x: Tensor) -> Tensor:
    """The bin (n,) int64 of each number x (n,), of one beyond the edges the nearest; −1 where it is NaN."""
    last = int(used(edges).sum()) - 1
    given = x.nan_to_num().contiguous()
    low, high = torch.searchsorted(edges, given), torch.searchsorted(edges, given, right=True)
    found = torch.where(high - low > 1, low, high - 1).clamp(min=0, max=last)
    return found.masked_fill(x.isnan(), -1)


def log_volume(edges: Tensor, x: Tensor, states: Tensor) -> Tensor:
    """(n,) log of the width of each number's bin, 0 of one with equal edges and of a missing number; ∞ beyond the edges."""
    width = (edges[1:] - edges[:-1])[states.clamp(min=0)]
    found = torch.where(width > 0, width.log(), 0.0)
    outside = (x < edges[0]) | (x > edges[edges < BEYOND][-1])
    return torch.where(outside, torch.inf, found).masked_fill(x.isnan(), 0.0)


def within(edges: Tensor, states: Tensor, u: Tensor) -> Tensor:
    """Numbers (n,), uniform within their bins by u (n,) in [0, 1)."""
    return edges[states] + u * (edges[states + 1] - edges[states])
