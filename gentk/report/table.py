"""The table of a comparison, as every format writes it: a row per model, a cell per score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..evaluation.comparing import Comparison, Entry
from ..evaluation.ranking import Rank, ratio
from ..protocols import Score
from ..text import one_line
from . import numbers

BETTER = {"lower": "lower is better", "higher": "higher is better", "floor": "nearest to the floor is best"}
ARROW = {"lower": "↓", "higher": "↑", "floor": "≈"}
NAME = 60  # letters of a name that a table shows


class Column(NamedTuple):
    """One score: what it is called, which values are good, and what real examples get."""

    name: str
    unit: str
    better: str  # as in Score
    floor: float | None


class Cell(NamedTuple):
    """A model's score. Without one, `missing` says why."""

    score: Score | None
    ratio: float | None
    rank: Rank | None
    missing: str = ""

    @property
    def best(self) -> bool:
        return self.rank is not None and self.rank.place == 1

    @property
    def rival(self) -> bool:
        """Whether it is not the best, but may be."""
        return self.rank is not None and self.rank.low == 1 and not self.best

    @property
    def bound(self) -> str:
        """The sign of a value that is only a bound."""
        if self.score is None or self.score.kind != "bound":
            return ""
        return {"lower": "≤ ", "higher": "≥ "}.get(self.score.better, "")

    @property
    def value(self) -> str:
        """ "0.12 ± 0.01"."""
        if self.score is None:
            return ""
        error = numbers.spread(self.score.value, self.score.error)
        return self.bound + numbers.value(self.score.value, self.score.error) + (f" ± {error}" if error else "")


@dataclass(frozen=True)
class Row:
    name: str
    entry: Entry
    cells: Sequence[Cell]

    @property
    def training(self) -> str:
        """ "20,000 steps, 1 h 5 min"."""
        cost = self.entry.cost
        steps = f"{cost.steps:,} step{'s' * (cost.steps != 1)}" if cost.steps is not None else ""
        return ", ".join(filter(None, [steps, numbers.duration(cost.seconds)]))


def columns_of(found: Comparison) -> list[Column]:
    """A column per score."""
    columns = []
    for name in found.metrics:
        scores = [score for entry in found.entries if (score := entry.score(name)) is not None]
        floor = next((score.floor for score in scores if score.floor is not None), None)
        columns.append(Column(name, scores[0].unit, scores[0].better, floor))
    return columns


def rows_of(found: Comparison) -> list[Row]:
    """A row per model."""
    names = found.metrics
    errors = {name: [score.error for entry in found.entries if (score := entry.score(name)) is not None] for name in names}
    called = apart([one_line(entry.name, NAME) for entry in found.entries])
    return [Row(one, entry, [_cell(found, entry, name, errors[name]) for name in names])
            for one, entry in zip(called, found.entries, strict=True)]  # fmt: skip


def apart(names: Sequence[str]) -> list[str]:
    """Names that were cut, numbered where they are no longer different."""
    return list(names) if len(set(names)) == len(names) else [f"{i + 1}: {name}" for i, name in enumerate(names)]


def _cell(found: Comparison, entry: Entry, name: str, errors: Sequence[float | None]) -> Cell:
    score = entry.score(name)
    if score is None:
        told = {**entry.result.passed_over, **entry.result.failed}
        return Cell(None, None, None, told.get(name, "not measured"))
    return Cell(score, ratio(score, errors), found.ranks.get(name, {}).get(entry.name))
