"""Kernels on categories (Aitchison & Aitken 1976, "Multivariate binary discrimination by the kernel method"), and gaps that donors fill."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gentk.protocols import Noise

DONORS = 4096  # rows that a gap may be filled in from, at most


class States(NamedTuple):
    """Categories with `sizes` states each. Around a point of state c, p(c) = 1 − λ, and each other of the s states has λ / (s − 1).

    λ is `share` of its largest value, (s − 1)/s, at which all states are equally likely.
    """

    sizes: tuple[int, ...]

    def logs(self, share: float) -> list[Tensor]:
        """log p(state | a point's state) of each category, (states, states) float64."""
        tables = []
        for size in self.sizes:
            leave = share * (size - 1) / size
            table = torch.full((size, size), math.log(leave / (size - 1)) if size > 1 else 0.0, dtype=torch.float64)
            tables.append(table.fill_diagonal_(math.log1p(-leave)))
        return tables

    def ones(self, x: Tensor) -> Tensor:
        """States (n, c) as (n, all states) of zeros and ones; zeros where a state is missing."""
        parts = [nn.functional.one_hot(x[:, j].nan_to_num().long(), size) * ~x[:, j : j + 1].isnan() for j, size in enumerate(self.sizes)]
        return torch.cat(parts, 1).double()

    def log_prob(self, x: Tensor, points: Tensor, share: float) -> Tensor:
        """Σ log p(x_j | the point's state) over what is known of x (n, c), for points (m, c): (n, m)."""
        table = torch.zeros(sum(self.sizes), sum(self.sizes), dtype=torch.float64)
        at = 0
        for size, block in zip(self.sizes, self.logs(share), strict=True):
            table[at : at + size, at : at + size] = block
            at += size
        return self.ones(x) @ table.to(x.device) @ self.ones(points).mT

    def draw(self, centre: Tensor, share: float, noise: Noise) -> Tensor:
        """States (n, c) float64 around those of points (n, c)."""
        tables = [table.to(centre.device) for table in self.logs(share)]
        return torch.stack([noise.categorical(table[centre[:, j].long()]).to(centre) for j, table in enumerate(tables)], 1)


def donated(x: Tensor, states: States, h: float, share: float) -> tuple[Tensor, Tensor]:
    """Rows x (m, d + c), numbers in units of their deviation, without gaps; and the row that each cell came from, int32, −1 its own.

    A row with a gap takes the cell of a row that has it, drawn by how near the two are in what they know: the kernel of a row around which
    another would lie. So the row's kernel stands, on average, for the law of the gap given what the row knows (Titterington & Mill 1983,
    "Kernel-based density estimates from incomplete data", §3): the estimate is consistent, as one with the gap's marginal law in its place
    is not. A donor that itself lacks a column counts by that column's marginal density. Column after column, each given those before.
    """
    out, donor = x.clone(), torch.full(x.shape, -1, dtype=torch.int32, device=x.device)
    d, known = x.shape[1] - len(states.sizes), ~x.isnan()
    tables = states.logs(share)
    for j in (~known.all(0)).nonzero()[:, 0].tolist():
        gaps, donors = (~known[:, j]).nonzero()[:, 0], known[:, j].nonzero()[:, 0][:DONORS]
        others = [i for i in range(x.shape[1]) if i != j]
        for rows in torch.split(gaps, max(1, (1 << 22) // len(donors))):
            weight = torch.zeros(len(rows), len(donors), dtype=torch.float64, device=x.device)
            for i in others:
                weight += _nearness(out[rows, i], out[donors, i], None if i < d else tables[i - d].to(x.device), h)
            gumbel = -(-torch.rand_like(weight).clamp(1e-300).log()).log()
            chosen = donors[(weight + gumbel).argmax(1)]
            donor[rows, j] = chosen.int()
        out[gaps, j] = x[donor[gaps, j].long(), j]
    return out, donor


def _nearness(x: Tensor, points: Tensor, table: Tensor | None, h: float) -> Tensor:
    """log of the kernel of each point (m,) at x (n,), one column: (n, m). Of a point that lacks it the mean kernel; 0 where x lacks it."""
    gone, lacking = x.isnan(), points.isnan()
    if table is None:
        found = -0.5 * ((x.nan_to_num()[:, None] - points.nan_to_num()) / h).square()
    else:
        found = table[x.nan_to_num().long()[:, None], points.nan_to_num().long()]
    if bool(lacking.any()):
        count = int((~lacking).sum())
        marginal = found.masked_fill(lacking, -torch.inf).logsumexp(1, keepdim=True) - math.log(max(1, count))
        found = torch.where(lacking, marginal if count else 0.0, found)
    return found.masked_fill(gone[:, None], 0.0)
