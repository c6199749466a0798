"""The base of distances between two sets of features: checks the rows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, ClassVar

import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.evaluation import Collected
from gentk.protocols import Score, Side

LARGEST = 1e25  # of which the twelfth power, in the error of KID, is still finite
NOT_FINITE = f"NaN, infinite or beyond {LARGEST:.0e}"


def score(name: str, value: float, libraries: Sequence[str], **said: Any) -> Score:
    """A Score computed by these libraries, given by their distributions' names."""
    return Score(name=name, value=value, library=", ".join(f"{package} {version(package)}" for package in libraries), **said)


def too_few(metric: str, side: Side, n: int, least: int) -> GentkError:
    return GentkError(f"{metric} needs at least {least} {side} examples, and there {'is' if n == 1 else 'are'} {n}: measure more")


class Sides(Collected):
    """A metric that keeps the features of all rows, (n, d) float64 of each side."""

    name: ClassVar[str]  # of the spec, for error messages
    keeps = ("features",)

    def side(self, side: Side, least: int = 2) -> Tensor:
        """(n, d) float64. Raises GentkError where there are fewer than `least` rows, or one with NaN or numbers beyond 1e25."""
        x = self.rows(side).get("features", torch.empty(0, 0)).double()
        if len(x) < least:
            raise too_few(self.name, side, len(x), least)
        if wrong := int((~(x.abs() < LARGEST).all(1)).sum()):
            raise GentkError(f"{self.name}: features of {wrong} of {len(x)} {side} examples are {NOT_FINITE}: look at these examples")
        return x

    def both(self, least: int = 2) -> tuple[Tensor, Tensor]:
        """The generated features (n, d) and the real ones (m, d); see `side`."""
        return self.side("generated", least), self.side("real", least)
