"""What a finite Markov chain does in the end: its communicating classes, their periods, all its steady states (Kemeny and Snell 1960)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Class:
    """States that reach each other. A closed class is never left; the states of the others are transient."""

    states: tuple[int, ...]
    closed: bool
    period: int  # the greatest common divisor of the lengths of its cycles; 0 where there is none


def classes(matrix: Tensor) -> list[Class]:
    """The communicating classes of a stochastic matrix (S, S), in the order of their first states."""
    step = matrix.cpu() > 0
    reach = (step | torch.eye(len(step), dtype=torch.bool)).double()
    for _ in range(max(1, math.ceil(math.log2(len(step))))):  # paths of up to 1, 2, 4 … steps
        reach = ((reach @ reach) > 0).double()
    mutual, found, seen = (reach * reach.T) > 0, [], set[int]()
    for first in range(len(step)):
        if first in seen:
            continue
        states = tuple(mutual[first].nonzero()[:, 0].tolist())
        seen |= set(states)
        closed = int(reach[first].sum()) == len(states)
        found.append(Class(states, closed, _period(step[states, :][:, states])))
    return found


def steady_states(matrix: Tensor) -> Tensor:
    """The extreme stationary distributions of a stochastic matrix (S, S): one for each closed class, (C, S) float64. Every stationary
    distribution is a mixture of them."""
    matrix = matrix.double().cpu()
    found = []
    for one in classes(matrix):
        if one.closed:
            inside = list(one.states)
            law = torch.zeros(len(matrix), dtype=torch.float64)
            law[inside] = _stationary(matrix[inside][:, inside])
            found.append(law)
    return torch.stack(found)


def _stationary(matrix: Tensor) -> Tensor:
    """π P = π of one closed class. Elimination without a subtraction, so that nothing cancels (Grassmann, Taksar and Heyman 1985)."""
    p = matrix.clone()
    for k in range(len(p) - 1, 0, -1):
        p[:k, k] /= p[k, :k].sum()
        p[:k, :k] += torch.outer(p[:k, k], p[k, :k])
    law = torch.ones(len(p), dtype=p.dtype)
    for k in range(1, len(p)):
        law[k] = law[:k] @ p[:k, k]
    return law / law.sum()


def _period(step: Tensor) -> int:
    """Of one class, from the steps inside it (S, S) bool: every edge i → j closes cycles of level(i) + 1 − level(j) steps."""
    level = torch.full((len(step),), -1)
    level[0], edge, depth = 0, torch.zeros(len(step), dtype=torch.bool), 0
    edge[0] = True
    while bool(edge.any()):
        depth += 1
        edge = step[edge].any(0) & (level < 0)
        level[edge] = depth
    start, end = step.nonzero().T
    return math.gcd(*(level[start] + 1 - level[end]).tolist()) if len(start) else 0
