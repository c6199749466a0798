"""Products of tables, summed over what is not asked for: variable elimination (Zhang and Poole 1994; Dechter 1999)."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

Factor = tuple[tuple[int, ...], Tensor]
"""The variables of a table's dimensions after the first, which counts rows: (n or 1, size, size, …)."""


def product(factors: Sequence[Factor], keep: Sequence[int]) -> Factor:
    """The product of the factors, summed over every variable that is not in `keep`: (n, sizes of `keep`)."""
    places = {name: i + 1 for i, name in enumerate(dict.fromkeys(v for names, _ in factors for v in names))}
    rows = max(table.shape[0] for _, table in factors)
    operands: list[object] = []
    for names, table in factors:
        operands += [table.expand(rows, *table.shape[1:]), [0, *(places[v] for v in names)]]
    return tuple(keep), torch.einsum(*operands, [0, *(places[v] for v in keep)])


def cheapest(factors: Sequence[Factor], hidden: Collection[int]) -> int:
    """The variable whose elimination makes the smallest table (the greedy min-weight order)."""
    size = {v: table.shape[i + 1] for names, table in factors for i, v in enumerate(names)}
    beside: dict[int, set[int]] = {v: set() for v in hidden}
    for names, _ in factors:
        for v in names:
            if v in beside:
                beside[v].update(names)
    return min(hidden, key=lambda v: (math.prod(size[other] for other in beside[v] - {v}), v))


def scaled(factor: Factor) -> Factor:
    """Each row divided by its largest entry: only ratios matter, and long products must not underflow. Rows of zeros stay."""
    names, table = factor
    largest = table.flatten(1).amax(1) if names else table
    return names, table / largest.clamp_min(torch.finfo(table.dtype).tiny).reshape(-1, *[1] * len(names))


def eliminate(factors: Sequence[Factor], keep: Sequence[int]) -> Tensor:
    """The product of the factors summed over all variables but `keep`, each row divided by its sum: (n, sizes of `keep`).

    A row of zeros (evidence that cannot be) becomes NaN.
    """
    left = [scaled(factor) for factor in factors]
    hidden = {v for names, _ in left for v in names} - set(keep)
    while hidden:
        variable = cheapest(left, hidden)
        touched = [factor for factor in left if variable in factor[0]]
        around = dict.fromkeys(v for names, _ in touched for v in names if v != variable)
        left = [factor for factor in left if variable not in factor[0]] + [scaled(product(touched, list(around)))]
        hidden.discard(variable)
    _, joint = product(left, keep)
    return joint / joint.flatten(1).sum(1).reshape(-1, *[1] * (joint.ndim - 1))
