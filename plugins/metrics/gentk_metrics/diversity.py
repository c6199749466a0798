"""Mean distance between samples."""

from __future__ import annotations

from gentk.protocols import Batch, Score, Side

from .pairwise import distances, mean_among
from .sides import Sides, score


class Diversity(Sides):
    """Mean distance between two distinct generated examples; 0 for a collapsed model. The closer to that of real examples, the better."""

    name = "diversity"

    def update(self, side: Side, rows: Batch) -> None:
        if side == "generated":
            super().update(side, rows)

    def compute(self) -> Score:
        x = self.side("generated")
        return score(self.name, mean_among(distances, x - x.mean(0)), ["torch"], better="floor")
