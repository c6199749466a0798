"""Gaussians of which a part is known: rows by what they know, and the law of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

BITS = 62  # of a mask that is told apart as one whole number


def distinct(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Of masks (n, d) bool: each one that occurs, (P, d), and which of them each row has, (n,)."""
    d = masks.shape[1]
    if d > BITS:
        found, which = torch.unique(masks, dim=0, return_inverse=True)
        return found, which
    places = torch.arange(d, device=masks.device)
    numbers, which = torch.unique((masks.long() << places).sum(1), return_inverse=True)
    return (numbers[:, None] >> places & 1).bool(), which


def patterns(known: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Of masks (n, d): each one that occurs (d,), and the rows that have it."""
    masks, which = distinct(known)
    for i, mask in enumerate(masks):
        yield mask, (which == i).nonzero()[:, 0]


@dataclass(frozen=True)
class Split:
    """K Gaussians cut into known numbers a and missing ones b: log N(x_a) = log_det − ½|(x_a − μ_a) white|² − (a/2) log 2π, and
    x_b given x_a is N(μ_b + (x_a − μ_a) gain, (C Cᵀ)⁻¹)."""

    white: Tensor  # (K, a, d)
    log_det: Tensor  # (K,)
    gain: Tensor  # (K, a, b)
    root: Tensor  # C (K, b, b), lower

    @classmethod
    def of(cls, root: Tensor, known: Tensor) -> Split:
        """Of roots (K, d, d) and a mask (d,). With P the precision, gain = −P_ab P_bb⁻¹ and white = U_a + gain U_b."""
        a, b = root[:, known], root[:, ~known]
        c = torch.linalg.cholesky(b @ b.mT)
        gain = -torch.cholesky_solve(b @ a.mT, c).mT
        halves = (root, c)
        log_det = [half.diagonal(dim1=1, dim2=2).log().sum(1) for half in halves]
        return cls(a + gain @ b, log_det[0] - log_det[1], gain, c)

    def spread(self, z: Tensor, which: Tensor) -> Tensor:
        """C⁻ᵀ z (m, b), each row with the Gaussian `which` (m,) of its own."""
        out = torch.empty_like(z)
        for k in torch.unique(which).tolist():
            rows = which == k
            out[rows] = torch.linalg.solve_triangular(self.root[k].mT, z[rows].mT, upper=True).mT
        return out


class Rest(NamedTuple):
    """K Gaussians, and P masks of what is missing, b: of each the law of x_b given the others, in matrices (d, d) over all numbers.

    With the precision Q, x_b given x_a is N(μ_b − Q_bb⁻¹ Q_ba (x_a − μ_a), Q_bb⁻¹). All masks at once: Q_bb stands in a matrix that is
    the identity elsewhere.
    """

    lower: Tensor  # (K, P, d, d): L, Q_bb = L Lᵀ, and 1 on the diagonal of what is known
    covariance: Tensor  # (K, P, d, d): Q_bb⁻¹, and 0 elsewhere
    log_det: Tensor  # (K, P): log |L|

    @classmethod
    def of(cls, root: Tensor, gone: Tensor) -> Rest:
        """Of roots (K, d, d) and masks (P, d)."""
        both = (gone[:, :, None] & gone[:, None, :]).to(root)
        padded = (root @ root.mT)[:, None] * both
        padded.diagonal(dim1=-2, dim2=-1).add_((~gone).to(root))
        lower = torch.linalg.cholesky(padded)
        return cls(lower, torch.cholesky_inverse(lower).mul_(both), lower.diagonal(dim1=-2, dim2=-1).log().sum(-1))
