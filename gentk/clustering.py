"""k-means: where mixtures and codebooks begin."""

from __future__ import annotations

import torch
from torch import Tensor

from .errors import UsageError

TABLE = 1 << 22  # numbers in one chunk's table of distances


def kmeans(points: Tensor, k: int, *, iterations: int = 10, generator: torch.Generator | None = None) -> Tensor:
    """Centres (k, d) of points (n, d): the k-means++ start (Arthur & Vassilvitskii 2007), then Lloyd's steps, `iterations` at most.

    Computed in the points' dtype, on their device; the same for one state of `generator` (default: torch's own). A centre that no point
    is nearest to moves to the point that lies farthest from its own. Raises UsageError for fewer points than centres.
    """
    if not 0 < k <= len(points):
        raise UsageError(f"k-means cannot place {k} centres among {len(points)} points: ask for at most that many")
    shift = points.mean(0)
    centred = points - shift  # the squares below would cancel far from the origin
    centres = _spread(centred, k, generator)
    before: Tensor | None = None
    for _ in range(iterations):
        nearest, distance = assign(centred, centres)
        if before is not None and torch.equal(nearest, before):
            break
        centres, before = _means(centred, nearest, distance, k), nearest
    return centres + shift


def assign(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Each point's nearest centre, (n,) int64, and its squared distance from it, (n,). In chunks: the whole table is never there."""
    size = centres.square().sum(1)
    parts = []
    for rows in torch.split(points, max(1, TABLE // len(centres))):
        lowest, index = torch.addmm(size, rows, centres.mT, alpha=-2).min(1)
        parts.append((index, (lowest + rows.square().sum(1)).clamp(min=0)))
    nearest, distance = zip(*parts, strict=True)
    return torch.cat(nearest), torch.cat(distance)


def _spread(points: Tensor, k: int, generator: torch.Generator | None) -> Tensor:
    """k of the points, each drawn with a chance that grows as its squared distance from those before it."""
    draws = torch.rand(k, generator=generator, dtype=torch.float64, device=points.device)
    size = points.square().sum(1)
    weight = torch.ones_like(size, dtype=torch.float64)
    distance = torch.full_like(size, torch.inf)
    chosen = []
    for draw in draws:
        cdf = weight.cumsum(0)
        chosen.append(torch.searchsorted(cdf, draw * cdf[-1], right=True).clamp(max=len(points) - 1))
        centre = points[chosen[-1]]
        distance = torch.minimum(distance, torch.addmv(size + centre.square().sum(), points, centre, alpha=-2).clamp(min=0))
        weight = distance.double() if bool(distance.any()) else torch.ones_like(weight)  # every point is a centre's double
    return points[torch.stack(chosen)]


def _means(points: Tensor, nearest: Tensor, distance: Tensor, k: int) -> Tensor:
    """Each centre's mean of its points. By products with a table of zeros and ones, whose order of addition is fixed on any device."""
    total, count = points.new_zeros(k, points.shape[1]), points.new_zeros(k)
    step = max(1, TABLE // k)
    for rows, index in zip(torch.split(points, step), torch.split(nearest, step), strict=True):
        table = points.new_zeros(len(rows), k).scatter_(1, index[:, None], 1.0)
        total += table.mT @ rows
        count += table.sum(0)
    centres = total / count.clamp(min=1)[:, None]
    empty = (count == 0).nonzero()[:, 0]
    centres[empty] = points[distance.topk(len(empty)).indices]
    return centres
