"""Trees of discrete variables: the likeliest one (Chow & Liu 1968), and exact sums over what is missing (Pearl 1988, chapter 4).

A row holds a state for each variable, −1 where it is missing. Tables are p(state | parent's state), (states of the parent, states); a
root's has one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gentk.protocols import Noise

LARGEST = 4000  # states of all variables together, whose pairs are counted
TIE = 1e-10  # nats within which two pairs tell as much of each other


class Tree(NamedTuple):
    """Variables and their parents, −1 of a root; `order` has each after its parent."""

    order: Sequence[int]
    parent: Sequence[int]


# ---- the likeliest one
def pair_counts(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """How often each state of each variable comes with each of each other, over rows x (n, V) that have both: (S, S), S all states."""
    total, whole = sum(sizes), torch.zeros(sum(sizes), sum(sizes), dtype=torch.float64, device=x.device)
    for rows in torch.split(x, max(1, (1 << 24) // total)):
        ones = torch.cat([evidence(rows[:, v], size, 0.0) for v, size in enumerate(sizes)], 1)
        whole += ones.mT @ ones
    return whole


def mutual_information(counts: Tensor, sizes: Sequence[int]) -> Tensor:
    """Σ p(i, j) log p(i, j) / p(i) p(j) of each pair of variables, in nats, by their own `pair_counts`; 0 of a pair that no row has."""
    owner = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)).to(counts.device)
    member = nn.functional.one_hot(owner, len(sizes)).double()
    rows = (counts @ member)[:, owner]  # of the same pair of variables, all that begins with i
    total = (member.mT @ counts @ member).clamp(min=1)
    # logs of ratios that are 1 where counts are 0
    ratio = torch.where(counts > 0, counts * total[owner][:, owner] / (rows * rows.mT).clamp(min=1e-300), 1.0)
    return (member.mT @ (counts * ratio.log()) @ member) / total


def spanning_tree(weight: Tensor) -> list[int]:
    """The parents in the tree (V,) with the greatest sum of weights (V, V), the root first (Prim 1957). Of weights that are equal within
    TIE the pair of the lowest variables wins."""
    weight = (weight / TIE).round()
    best, parent = weight[0].clone(), torch.zeros(len(weight), dtype=torch.int64, device=weight.device)
    left = torch.ones(len(weight), dtype=torch.bool, device=weight.device)
    left[0], parent[0] = False, -1
    while bool(left.any()):
        best = best.masked_fill(~left, -torch.inf)
        v = int((best == best.max()).nonzero()[0, 0])
        left[v] = False
        nearer = left & ((weight[v] > best) | ((weight[v] == best) & (v < parent)))
        best, parent = torch.where(nearer, weight[v], best), parent.masked_fill(nearer, v)
    found: list[int] = parent.tolist()
    return found


# ---- sums over what is missing
class Upward(NamedTuple):
    """What each variable and all below it say, (n, states): of the variable itself, and of its parent. Rows are scaled; log is what that
    took, and the log-likelihood (n,) of what is known; NaN nowhere, −∞ where it cannot be."""

    local: list[Tensor]
    message: list[Tensor]
    log: Tensor


def evidence(state: Tensor, size: int, missing: float = 1.0) -> Tensor:
    """(n,) → (n, size): 1 at the state and 0 elsewhere; `missing` everywhere where there is none."""
    found = nn.functional.one_hot(state.clamp(min=0), size).double()
    return torch.where(state[:, None] < 0, missing, found)


def upward(tree: Tree, tables: Sequence[Tensor], x: Tensor) -> Upward:
    """From the leaves to the roots, all rows x (n, V) at once, whatever each lacks."""
    local = [evidence(x[:, v], table.shape[-1]) for v, table in enumerate(tables)]
    message, log = [x.new_empty(0)] * len(tables), torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for v in reversed(tree.order):
        message[v], scale = _scaled(local[v] @ tables[v].mT)
        log += scale.log()
        if (p := tree.parent[v]) >= 0:
            local[p], scale = _scaled(local[p] * message[v])
            log += scale.log()
    return Upward(local, message, log)


def _scaled(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n, states) divided by their largest entries (n,), which long products would lose; rows of zeros stay."""
    scale = rows.amax(1)
    return rows / scale.clamp(min=torch.finfo(torch.float64).tiny)[:, None], scale


def expected_counts(tree: Tree, tables: Sequence[Tensor], up: Upward) -> list[Tensor]:
    """How often each state is expected with each of the parent's, summed over rows, in the shape of its table (parents, states)."""
    counts, belief = [x.new_empty(0) for x in tables], [x.new_empty(0) for x in tables]
    for v in tree.order:
        p, table = tree.parent[v], tables[v]
        above = belief[p] / up.message[v].where(up.message[v] > 0, 1.0) if p >= 0 else torch.ones_like(up.message[v])
        joint = up.local[v] * (above @ table)
        total = joint.sum(1, keepdim=True)
        total = total.where(total > 0, 1.0)
        belief[v] = joint / total
        counts[v] = table * ((above / total).mT @ up.local[v])
    return counts


def drawn(tree: Tree, tables: Sequence[Tensor], up: Upward, x: Tensor, noise: Noise) -> Tensor:
    """x (n, V) with what is missing drawn given what is known, from the roots to the leaves: exact."""
    out = x.clone()
    for v in tree.order:
        p = tree.parent[v]
        given = tables[v][out[:, p]] if p >= 0 else tables[v][0].expand(len(x), -1)
        chosen = noise.categorical((given * up.local[v]).log())
        out[:, v] = torch.where(x[:, v] < 0, chosen, x[:, v])
    return out
