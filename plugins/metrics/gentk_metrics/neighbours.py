"""Precision and recall (Kynkäänniemi et al., arXiv:1904.06991), density and coverage (Naeem et al., arXiv:2002.09797)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gentk.protocols import DataSpec, Score

from .options import PRDCOptions
from .pairwise import blocks
from .sides import Sides, score

SLACK = 1 + 1e-9  # of a squared radius: more than its rounding, so that what lies on a ball's rim is inside whatever product it came from


class PRDC(Sides):
    """Balls around each row of a set, as far as its k-th nearest neighbour in the set, itself not counted; the rim belongs to the ball.

    precision: share of generated examples in a ball around a real one. recall: share of real ones in a ball around a generated one.
    density: how many real balls hold a generated example, over k. coverage: share of real balls that hold a generated example.

    An outlier's ball covers much: a high precision beside a low coverage means nothing. All are 1 on average for endless samples of the
    examples' own law. A copy of the real examples has density (k + 1)/k, since each example lies in its own ball as well. Real examples
    that repeat themselves have balls of radius 0, which hold their copies; prdc, whose balls have no rim, says 0 of those.
    """

    name = "prdc"

    def __init__(self, data: DataSpec, **options: Any) -> None:
        super().__init__(data)
        self.k = PRDCOptions(**options).k

    def compute(self) -> Sequence[Score]:
        generated, real = self.both(self.k + 1)
        of_real, of_generated = squared_radii(real, self.k) * SLACK, squared_radii(generated, self.k) * SLACK
        precise = held = 0
        covered, recalled = (torch.zeros(len(real), dtype=torch.bool) for _ in range(2))
        for rows, apart in blocks(generated, real):
            inside = apart <= of_real
            precise += int(inside.any(1).sum())
            held += int(inside.count_nonzero())
            covered |= inside.any(0)
            recalled |= (apart <= of_generated[rows, None]).any(0)
        n = len(generated)
        values = {
            "precision": precise / n,
            "recall": float(recalled.double().mean()),
            "density": held / (self.k * n),
            "coverage": float(covered.double().mean()),
        }
        return [score(name, value, ["torch"], better="higher", parameters={"k": self.k}) for name, value in values.items()]


def squared_radii(x: Tensor, k: int) -> Tensor:
    """The squared distance of each row of x (n, d) to its k-th nearest other row, (n,); n > k."""
    return torch.cat([apart.topk(k + 1, dim=1, largest=False).values[:, k] for _, apart in blocks(x, x)])
