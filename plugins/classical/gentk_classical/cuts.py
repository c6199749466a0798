"""Numbers of a column cut into bins that hold as many rows each, and drawn back.

Within a bin numbers are uniform, and in the first and the last one exponential away from the inner edge, without end: whole numbers and
dates geometric. The scale is the likeliest one, told by the outermost edges, which are twice as far out as the numbers of their bin are in
the mean, as if these were uniform. An outer bin of a single value has no tail: what comes that often at the end is taken for a bound.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from gentk.columns import resolution
from gentk.protocols import Column

BEYOND = torch.finfo(torch.float64).max  # the edges of bins that no row can be in
ALONE = 1 + 1e-6  # steps within which a bin is of one whole number: seconds in days since 1970 are rounded to 3e-7 of one


class Tail(NamedTuple):
    """An outer bin, its inner edge, which way it goes on (−1 or 1), and how wide it would be if it were uniform."""

    bin: int
    inner: Tensor
    way: int
    width: Tensor


def cut(x: Tensor, bins: int, column: Column) -> Tensor:
    """Edges (bins + 1,) float64 of the numbers x (n,), n ≥ 1, none of them missing: the quantiles, BEYOND after those that differ.

    Whole numbers and dates are cut halfway between two neighbours. A value that takes a bin by itself has one: of a number its edges are
    equal, and its share a mass. The outermost edges are those of the tails.
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
    states = state(found, x)
    for at, inner, way, _ in tails(found, step):
        width = 2 * (x[states == at] - inner).abs().mean()
        if inner + way * width != inner and width > step * ALONE:  # else too few numbers of very many are apart from the edge
            found[at + (way > 0)] = inner + way * width
    return found


def tails(edges: Tensor, step: float) -> list[Tail]:
    """The outer bins that go on without end; `step` is the column's `resolution`."""
    last = int(used(edges).sum()) - 1
    ends = (Tail(0, edges[1], -1, edges[1] - edges[0]), Tail(last, edges[last], 1, edges[last + 1] - edges[last]))
    return [tail for tail in ends if last > 0 and float(tail.width) > step * ALONE]


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


def log_volume(edges: Tensor, x: Tensor, states: Tensor, step: float) -> Tensor:
    """(n,) −log of the density of each number in its bin: log of the bin's width, 0 of one with equal edges and of a missing number, more
    and more along a tail, ∞ beyond an outer edge that has none. Of whole numbers and dates it is that of the mass over the step."""
    width = (edges[1:] - edges[:-1])[states.clamp(min=0)]
    found = torch.where(width > 0, width.log(), 0.0)
    outside = (x < edges[0]) | (x > edges[edges < BEYOND][-1])
    found = torch.where(outside, torch.inf, found)
    for at, inner, way, wide in tails(edges, step):
        distance = (way * (x - inner)).clamp(min=0)
        if step:
            mean = (wide / step - 1) / 2  # of steps from the nearest whole number, of which k has the mass mean^k / (1 + mean)^(k + 1)
            volume = (distance / step).floor() * (1 / mean).log1p() + mean.log1p() + math.log(step)
        else:
            volume = distance / (wide / 2) + (wide / 2).log()
        found = torch.where(states == at, volume, found)
    return found.masked_fill(x.isnan(), 0.0)


def within(edges: Tensor, states: Tensor, u: Tensor, step: float) -> Tensor:
    """Numbers (n,) within their bins by u (n,) in [0, 1), by the law of `log_volume`: whole ones once they are rounded."""
    found = edges[states] + u * (edges[states + 1] - edges[states])
    for at, inner, way, wide in tails(edges, step):
        scale = step / (2 * step / (wide - step)).log1p() if step else wide / 2
        found = torch.where(states == at, inner - way * scale * (-u).log1p(), found)
    return found


def names(edges: Tensor, step: float) -> list[str]:
    """What each bin is called."""
    found = [f"{low:g} to {high:g}" if high < BEYOND else "none" for low, high in pairwise(edges.tolist())]
    for at, inner, way, _ in tails(edges, step):
        found[at] = f"{'from' if way > 0 else 'below'} {float(inner):g}"
    return found
