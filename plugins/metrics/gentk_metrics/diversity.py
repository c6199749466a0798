"""How far apart the samples lie."""

from __future__ import annotations

from gentk.protocols import Batch, Score, Side

from .pairwise import distances, mean_among
from .sides import Sides, library


class Diversity(Sides):
    """The mean distance between two distinct generated examples: 0 of a collapsed model. Best where it is that of real examples."""

    name = "diversity"

    def update(self, side: Side, rows: Batch) -> None:
        if side == "generated":
            super().update(side, rows)

    def compute(self) -> Score:
        x = self.side("generated")
        return Score(name=self.name, value=mean_among(distances, x - x.mean(0)), better="floor", unit="distance", library=library("torch"))
