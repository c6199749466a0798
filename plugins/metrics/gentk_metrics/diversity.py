"""How far apart the samples lie."""

from __future__ import annotations

from gentk.protocols import Batch, Score, Side

from .pairwise import distances, mean_among
from .sides import Sides, score


class Diversity(Sides):
    """The mean distance between two distinct generated examples: 0 of a collapsed model. Best where it is that of real examples."""

    name = "diversity"

    def update(self, side: Side, rows: Batch) -> None:
        if side == "generated":
            super().update(side, rows)

    def compute(self) -> Score:
        x = self.side("generated")
        return score(self.name, mean_among(distances, x - x.mean(0)), ["torch"], better="floor")
