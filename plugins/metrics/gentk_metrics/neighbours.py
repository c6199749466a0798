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

SLACK = 1 + 1e-9  # factor of squared radii, above their rounding errors: a point on the boundary of a ball is always inside


class PRDC(Sides):
    """Four scores from the closed balls around each example whose radius is the distance to its k-th nearest neighbour on its side.

    An example is not its own neighbour.

    - precision: share of generated examples inside some real ball
    - recall: share of real examples inside some generated ball
    - density: mean number of real balls around a generated example, divided by k
    - coverage: share of real balls that contain a generated example

    The ball of an outlier is large: read precision together with coverage. If both sides follow the same law, density is 1 on average
    and coverage 1 − 2^(−k). A copy of the real examples has density (k + 1)/k, since each example also lies in its own ball. Balls of
    repeated real examples have radius 0 and contain their copies, unlike those of the package prdc, which are open.
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
