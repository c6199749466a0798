"""The base of metrics that look at all rows at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ..protocols import Batch, DataSpec, Score, Side


class Collected:
    """Keeps the rows of each side, those named in `keeps` (empty: all), until `compute`, which a metric adds."""

    keeps: ClassVar[tuple[str, ...]] = ()

    def __init__(self, data: DataSpec) -> None:
        self.data = data
        self._parts: dict[str, list[Tensor]] = {}

    def update(self, side: Side, rows: Batch) -> None:
        for key, value in rows.items():
            if not self.keeps or key in self.keeps:
                self._parts.setdefault(f"{side}/{key}", []).append(value)

    def state(self) -> Mapping[str, Tensor]:
        return {key: torch.cat(parts) for key, parts in self._parts.items()}

    def merge(self, state: Mapping[str, Tensor]) -> None:
        for key, value in state.items():
            self._parts.setdefault(key, []).append(value)

    def rows(self, side: Side) -> dict[str, Tensor]:
        """All rows of a side, (n, …) each."""
        return {key.partition("/")[2]: torch.cat(parts) for key, parts in self._parts.items() if key.startswith(f"{side}/")}

    def compute(self) -> Score | Sequence[Score]:
        raise NotImplementedError
