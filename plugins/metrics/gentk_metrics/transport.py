"""Wasserstein distances, exact and sliced, and the energy distance."""

from __future__ import annotations

import math
import warnings
from typing import Any

import ot
from scipy.spatial.distance import cdist

from gentk.errors import GentkError
from gentk.protocols import DataSpec, Score

from .options import SlicedOptions
from .pairwise import distances, mean_among, mean_between
from .sides import Sides, score

MOST = 2000  # rows of a side for an exact plan, which takes a second or two; the time grows with their cube


class W2(Sides):
    """Exact 2-Wasserstein distance between the first 2,000 rows of each side (Peyré & Cuturi 2019).

    The distance between two samples of the same law falls only as n^(−1/d): compare with the floor.
    """

    name = "w2"

    def compute(self) -> Score:
        generated, real = self.both()
        parameters = {"rows": MOST} if max(len(generated), len(real)) > MOST else {}
        cost = cdist(generated[:MOST].numpy(), real[:MOST].numpy(), "sqeuclidean")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # checked below
            squared, log = ot.emd2([], [], cost, numItermax=10_000_000, log=True)
        if log["warning"]:
            raise GentkError(f"w2: POT found no transport plan: {log['warning']}")
        value = math.sqrt(max(0.0, float(squared)))
        return score(self.name, value, ["POT", "scipy"], parameters=parameters)


class SlicedW2(Sides):
    """Sliced 2-Wasserstein distance (Bonneel et al. 2015): the root mean square over random directions, drawn with a fixed seed."""

    name = "sliced-w2"

    def __init__(self, data: DataSpec, **options: Any) -> None:
        super().__init__(data)
        self.projections = SlicedOptions(**options).projections

    def compute(self) -> Score:
        generated, real = self.both()
        centre = real.mean(0)
        x, y = ((side - centre).numpy() for side in (generated, real))
        value = float(ot.sliced_wasserstein_distance(x, y, n_projections=self.projections, p=2, seed=0))
        return score(self.name, value, ["POT"], parameters={"projections": self.projections})


class Energy(Sides):
    """Energy distance 2 E|X − Y| − E|X − X'| − E|Y − Y'| (Székely & Rizzo 2013): the square of scipy's, twice geomloss's.

    A V-statistic: pairs of a row and itself count. It is not negative, and about E|X − X'| (1/n + 1/m) for two samples of the same law.
    """

    name = "energy"

    def compute(self) -> Score:
        generated, real = self.both()
        centre = real.mean(0)
        x, y = generated - centre, real - centre
        value = 2 * mean_between(distances, x, y) - sum(mean_among(distances, side) * (1 - 1 / len(side)) for side in (x, y))
        return score(self.name, max(0.0, value), ["torch"])
