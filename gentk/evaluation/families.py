"""The field's classic comparison of families, from what was measured of shipped weights: nothing here is drawn or measured anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import GentkError, UsageError, did_you_mean
from ..host import lookup
from ..protocols import Score
from ..runs import LOG, Run
from ..weights.card.scores import Metrics, metrics_of
from ..weights.digest import digest


class Kin(NamedTuple):
    """Shipped weights with all their figures. `stability`: see `stability_of`."""

    plugin: str
    recipe: str
    summary: str
    dataset: str
    figures: Sequence[Score]
    seconds: float | None
    stability: float | None

    @property
    def name(self) -> str:
        return f"{self.plugin}/{self.recipe}"

    def scores(self, n: int | None) -> dict[str, Score]:
        """One of each name: of n examples, else of the most."""
        found = sorted(self.figures, key=lambda score: (score.examples == n, score.examples or 0))
        return {score.name: score for score in found}


def common(them: Sequence[Kin], name: str = "frechet") -> int | None:
    """The most examples that this score of all who have it was measured on; None where there is no such number."""
    counts = [{score.examples for score in one.figures if score.name == name} for one in them]
    shared = set.intersection(*found) if (found := [count for count in counts if count]) else set()
    return max((n for n in shared if n is not None), default=None)


def kin(dataset: str | None = None) -> dict[str, list[Kin]]:
    """By data set, those that figures of several were measured on. `dataset`: this one alone. Raises UsageError where there are none."""
    found: dict[str, list[Kin]] = {}
    for one in everyone():
        found.setdefault(one.dataset, []).append(one)
    if dataset is not None:
        if dataset not in found:
            raise UsageError(f"no shipped weights have figures on '{dataset}'{did_you_mean(dataset, found)}")
        return {dataset: found[dataset]}
    several = {name: them for name, them in found.items() if len(them) > 1}
    if not several:
        raise UsageError("no two of the installed plugins' weights have figures on one data set: gentk evaluate PLUGIN/RECIPE --save")
    return dict(sorted(several.items(), key=lambda item: -len(item[1])))


def everyone() -> Iterator[Kin]:
    """All weights of installed plugins whose figures are of these very numbers."""
    for plugin, spec in lookup.host().ask_all("gentk_recipes"):
        if spec.weights and (found := figures(folder := lookup.weights_path(plugin.name, spec.name))) is not None:
            measured = found.dataset.name, found.scores, found.seconds_per_sample
            yield Kin(plugin.name, spec.name, spec.summary, *measured, stability_of(folder))


def figures(folder: Path) -> Metrics | None:
    """metrics.json of a folder, if it is of its weights; a damaged one counts as none."""
    try:
        found = metrics_of(folder)
        return found if found is not None and found.scores and found.weights in ("", digest(folder)) else None
    except GentkError:
        return None


def stability_of(folder: Path) -> float | None:
    """How much of what a training had gained it lost again, at worst: of the validation losses in its log, the largest rise above the best
    so far, as a share of the whole fall. 0: it only fell. None where there is no log with three of them, or it never fell."""
    if not (folder / LOG).is_file():
        return None
    try:
        losses = (row.get("validation/loss") for row in Run(folder).log())
        values = [float(loss) for loss in losses if isinstance(loss, (int, float))]
    except GentkError:
        return None
    if len(values) < 3 or values[0] <= min(values):
        return None
    best, rise = values[0], 0.0
    for value in values:
        best = min(best, value)
        rise = max(rise, value - best)
    return rise / (values[0] - min(values))
