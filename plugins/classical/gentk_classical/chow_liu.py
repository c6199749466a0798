"""The tree of discrete variables that is likeliest (Chow & Liu 1968, "Approximating discrete probability distributions with dependence
trees")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

LARGEST = 4000
"""States of all variables together, whose pairs are counted."""
_DIGITS = 12  # a tie is one on every machine, whatever its logarithms round to


class Learning(torch.nn.Module):
    """What a run keeps of a tree that it learned: the parent of each of n variables, −1 of one that has none yet."""

    parent: Tensor

    def __init__(self, n: int) -> None:
        super().__init__()
        self.register_buffer("parent", torch.full((n,), -1))


def pairs(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """How often each state of any variable was seen with each of any other: (S, S) float64 of rows x (n, V), S all states in a row."""
    ones = torch.cat([torch.nn.functional.one_hot(x[:, v], size) for v, size in enumerate(sizes)], 1).double()
    return ones.T @ ones


def blocks(counts: Tensor, sizes: Sequence[int]) -> list[list[Tensor]]:
    """`pairs` as a matrix per two variables (u, v): (size of u, size of v)."""
    return [list(torch.split(rows, list(sizes), 1)) for rows in torch.split(counts, list(sizes), 0)]


def information(joint: Tensor) -> float:
    """The mutual information of two variables, in nats, of their joint counts."""
    p = joint / joint.sum()
    of_both = torch.special.xlogy(p, p).sum()
    of_each = sum(torch.special.xlogy(one, one).sum() for one in (p.sum(0), p.sum(1)))
    return float(of_both - of_each)


def tree(counts: Sequence[Sequence[Tensor]]) -> list[int]:
    """The parent of each variable in the tree with the greatest sum of mutual informations, which is the likeliest one; −1 of variable 0,
    its root. Prim's algorithm; of equals the first."""
    n = len(counts)
    parent, best = [0] * n, [-1.0] * n
    parent[0], inside, left = -1, 0, set(range(1, n))
    while left:
        for v in left:
            if (found := round(information(counts[inside][v]), _DIGITS)) > best[v]:
                best[v], parent[v] = found, inside
        inside = max(sorted(left), key=lambda v: best[v])
        left.remove(inside)
    return parent
