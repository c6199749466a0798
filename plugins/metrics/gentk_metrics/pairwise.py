"""Distances and kernels of all pairs of rows, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

TABLE = 1 << 22  # pairs in memory at once
CANCELLED = 1e-3  # share of |x|² + |y|² below which a squared distance from a matrix product has lost three digits

Kernel = Callable[[Tensor, Tensor], Tensor]  # (n, d), (m, d) → (n, m)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x − y|² of all pairs of rows (n, d) and (m, d), float64: (n, m), with a relative error of about 1e-12; equal rows give 0.

    Most are computed by a matrix product, as |x|² + |y|² − 2xᵀy. Pairs for which this cancels are computed again from x − y, which is
    slow: subtract a common centre first, or all pairs of rows far from 0 cancel.
    """
    scale = x.square().sum(1)[:, None] + y.square().sum(1)
    found = torch.addmm(scale, x, y.T, alpha=-2)
    i, j = (found <= scale.mul_(CANCELLED)).nonzero(as_tuple=True)
    step = max(1, TABLE // max(1, x.shape[1]))
    for low in range(0, len(i), step):
        rows, columns = i[low : low + step], j[low : low + step]
        found[rows, columns] = (x[rows] - y[columns]).square_().sum(1)
    return found


def distances(x: Tensor, y: Tensor) -> Tensor:
    """|x − y| of all pairs of rows, see `squared_distances`."""
    return squared_distances(x, y).sqrt_()


def blocks(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared distances from x (n, d) to all of y (m, d), block by block: the rows of x, and the distances (rows, m)."""
    centre = y.mean(0)
    x, y = x - centre, y - centre
    for rows in _slices(len(x), len(y)):
        yield rows, squared_distances(x[rows], y)


def mean_between(kernel: Kernel, x: Tensor, y: Tensor) -> float:
    """The mean of kernel(x_i, y_j) over all pairs."""
    return sum(float(kernel(x[rows], y).sum()) for rows in _slices(len(x), len(y))) / (len(x) * len(y))


def mean_among(kernel: Kernel, x: Tensor) -> float:
    """The mean of a symmetric kernel(x_i, x_j) over i ≠ j."""
    n, total = len(x), 0.0
    for rows in _slices(n, n):
        own = kernel(x[rows], x[rows])
        total += float(own.sum() - own.diagonal().sum())
        if rows.start:
            total += 2 * float(kernel(x[rows], x[: rows.start]).sum())
    return total / (n * (n - 1))


def _slices(n: int, m: int) -> Iterator[slice]:
    step = max(1, TABLE // max(1, m))
    yield from (slice(low, min(low + step, n)) for low in range(0, n, step))
