"""What the distances between two sets of features have in common: their rows, checked."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.evaluation import Collected
from gentk.protocols import Side


def library(*names: str) -> str:
    """The versions of libraries by their distributions' names: "scipy 1.17.1"."""
    return ", ".join(f"{name} {version(name)}" for name in names)


def too_few(metric: str, side: Side, n: int, least: int) -> GentkError:
    return GentkError(f"{metric} needs at least {least} {side} examples, and there {'is' if n == 1 else 'are'} {n}: measure more")


class Sides(Collected):
    """A metric that keeps the features of all rows, (n, d) float64 of each side."""

    name: ClassVar[str]  # in error messages: that of the spec
    keeps = ("features",)

    def side(self, side: Side, least: int = 2) -> Tensor:
        """(n, d) float64. Raises GentkError where there are fewer than `least` rows, or one with a number that is not finite."""
        x = self.rows(side).get("features", torch.empty(0, 0)).double()
        if len(x) < least:
            raise too_few(self.name, side, len(x), least)
        if wrong := int((~x.isfinite().all(1)).sum()):
            raise GentkError(f"{self.name}: {wrong} of {len(x)} {side} examples have features that are NaN or infinite: look at these examples")
        return x

    def both(self, least: int = 2) -> tuple[Tensor, Tensor]:
        """The generated features (n, d) and the real ones (m, d); see `side`."""
        return self.side("generated", least), self.side("real", least)
