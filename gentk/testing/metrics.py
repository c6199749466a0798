"""Checks of metrics: that a score depends on the rows alone, tells damage from chance, and does not make up a number."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import GentkError
from ..host import MetricSpec
from ..host.specs import resolve
from ..protocols import Batch, DataSpec, Metric, Score, Side
from ..text import cause
from . import examples
from .registry import Failure, Skip, check
from .short import one_line, within
from .trial import once

if TYPE_CHECKING:
    from torch import Tensor

SHARES = (0.3, 0.6, 1.0)  # of the rows that are damaged, step by step
UNEVEN = (1, 7, 150, 33, 260)  # rows of each part
EQUAL = 1e-9  # relative
SLACK = 0.1  # of what the worst damage costs: so much better a lesser one may score, by chance
SURE = 3.0  # standard errors
PATIENCE = 60.0  # seconds

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
Sides = Mapping[Side, Batch]


class MetricTrial:
    """A metric of a plugin with its default options, and made-up rows of what it is for: `examples.ROWS` a side."""

    def __init__(self, plugin: str, spec: MetricSpec) -> None:
        self.plugin, self.spec = plugin, spec

    @once
    def target(self) -> Any:
        try:
            return resolve(self.spec.target)
        except GentkError as error:
            raise Skip(f"see specs-resolve: {error}") from None

    @property
    def function(self) -> bool:
        """Whether it is a function of all rows, which sees no parts and refuses nothing."""
        return not isinstance(self.target, type)

    @once
    def data(self) -> DataSpec:
        """Of the first of its modalities of which there are examples; of points, where it is for all. Raises Skip."""
        why: list[str] = []
        for modality in self.spec.modalities or ("points",):
            try:
                return examples.spec_of(modality, self.plugin, label=bool(examples.LABELLED & set(self.spec.needs)))
            except Skip as lacking:
                why.append(str(lacking))
        raise Skip("; ".join(why))

    @once
    def sides(self) -> dict[Side, dict[str, Tensor]]:
        """Real rows beside other real rows: the floor."""
        return examples.sides(self.data, self.spec.needs)

    def make(self) -> Metric:
        """A fresh one. Raises Skip where it wants options, or does not take the rows."""
        from ..evaluation.choosing import OfFunction, checked

        if self.function:
            return OfFunction(self.data, self.spec.name, self.target)
        try:
            made: Metric = self.target(self.data, **checked(self.spec, {}))
        except GentkError as error:
            raise Skip(f"made-up rows cannot be measured with it: {one_line(error)}") from None
        return made

    def scores(self, metric: Metric) -> list[Score]:
        """What it computes; of a single score a list. Raises what it raises."""
        found = metric.compute()
        return [found] if isinstance(found, Score) else list(found)

    def of(self, sides: Sides) -> list[Score]:
        """The scores of these rows, all of a side at once."""
        metric = self.make()
        for side, batch in sides.items():
            metric.update(side, batch)
        return self.scores(metric)

    @once
    def floor(self) -> list[Score]:
        return self.of(self.sides)

    @property
    def measured(self) -> list[Score]:
        """The floor. Raises Skip where there is none, which metric-floor tells about."""
        try:
            return self.floor  # type: ignore[no-any-return]
        except Skip:
            raise
        except Exception as error:
            raise Skip(f"see metric-floor: {error if isinstance(error, (Failure, GentkError)) else cause(error)}") from None

    @once
    def slightly(self) -> list[Score]:
        """Of the least damage: unlike the floor, values are not near 0, where only rounding would be left of them."""
        return self.of(self.damaged(examples.damaged, SHARES[0]))

    def damaged(self, how: Callable[[DataSpec, Batch, float], Batch], share: float) -> Sides:
        """The sides with a share of the generated rows damaged; of a metric of a model's numbers, of these."""
        side: Side = "generated" if "generated" in self.sides else "real"
        batch = self.sides[side]
        if side == "generated":
            return {**self.sides, side: how(self.data, batch, share)}
        told = {key: value for key, value in batch.items() if key in self.spec.needs}
        return {side: {**batch, **how(self.data, told, share)}}


# ---------------------------------------------------------------- batches
@check("metric")
def metric_batches(trial: MetricTrial) -> None:
    """The scores are the same, to 1e-9, whatever the parts in which rows come: one by one, unevenly, all at once. They are the same when
    several ranks have seen the rows, and one of them none: `state()` is tensors, and merged in order it stands for the rows. Evaluation
    goes by chunks and shares them among ranks; a mean of the parts' means would depend on both."""
    if trial.function:
        raise Skip("a function is given all rows at once")
    whole, rows = trial.slightly, trial.damaged(examples.damaged, SHARES[0])
    _same(whole, trial.scores(_fed(trial, rows, (1,))), "of rows given one by one")
    _same(whole, trial.scores(_merged(trial, rows)), "of rows that three ranks have seen in uneven parts, merged")


def _fed(trial: MetricTrial, sides: Sides, sizes: Sequence[int]) -> Metric:
    """One that was given rows in parts of these sizes, the sides by turns."""
    metric = trial.make()
    for side, part in _turns(sides, sizes):
        metric.update(side, part)
    return metric


def _turns(sides: Sides, sizes: Sequence[int]) -> Iterator[tuple[Side, Batch]]:
    """Parts of the sides by turns."""
    running = {side: examples.parts(batch, sizes) for side, batch in sides.items()}
    while running:
        for side in list(running):
            if (part := next(running[side], None)) is None:
                del running[side]
            else:
                yield side, part


def _merged(trial: MetricTrial, sides: Sides) -> Metric:
    """What an empty rank and two with rows have seen, put together as evaluation does it."""
    import torch

    cut = examples.ROWS // 3
    first, second = ({side: {k: v[rows] for k, v in b.items()} for side, b in sides.items()} for rows in (slice(cut), slice(cut, None)))
    whole = trial.make()
    for share in ({}, first, second):
        state = _fed(trial, share, UNEVEN).state()
        for key, value in state.items():
            if not isinstance(value, torch.Tensor):
                raise Failure(f"state() holds '{key}', a {type(value).__name__}: ranks are sent tensors")
        whole.merge({key: value.clone() for key, value in state.items()})
    return whole


def _same(whole: Sequence[Score], other: Sequence[Score], where: str) -> None:
    beside = {score.name: score for score in other}
    if [score.name for score in whole] != [score.name for score in other]:
        raise Failure(f"{where} it gives {', '.join(beside) or 'nothing'}; of all at once {', '.join(score.name for score in whole)}")
    for score in whole:
        found = beside[score.name]
        for what, one, two in (("", score.value, found.value), ("the error of ", score.error, found.error)):
            if one != two and (one is None or two is None or not math.isclose(one, two, rel_tol=EQUAL, abs_tol=EQUAL**1.5)):
                raise Failure(f"{where} {what}'{score.name}' is {two!r}; of all at once {one!r}")


# ---------------------------------------------------------------- floor
@check("metric")
def metric_floor(trial: MetricTrial) -> None:
    """Of real rows beside other real rows, 600 each, it gives scores, and each is sound: a Score whose value is finite, named in lower-case
    words with hyphens, by a name that it gives once. Each value is shown beside this floor, and a name is what users see and watch."""
    try:
        scores = trial.floor
    except GentkError as error:
        raise Failure(f"of {examples.ROWS} real rows beside other real ones: {one_line(error)}") from None
    if not scores:
        raise Failure("it gives no score of real rows beside other real ones")
    seen: set[str] = set()
    for score in scores:
        if not isinstance(score, Score):
            raise Failure(f"it gives a {type(score).__name__}, not a gentk.protocols.Score")
        if not isinstance(score.value, float) or not math.isfinite(score.value):
            raise Failure(f"'{score.name}' is {score.value} of real rows beside other real ones")
        if score.error is not None and not (math.isfinite(score.error) and score.error >= 0):
            raise Failure(f"the error of '{score.name}' is {score.error}")
        if not _NAME.fullmatch(score.name):
            raise Failure(f"score '{score.name}': a name is of lower-case words with hyphens between them")
        if score.name in seen:
            raise Failure(f"it gives two scores '{score.name}'")
        seen.add(score.name)


# ---------------------------------------------------------------- damage
@check("metric")
def metric_damage(trial: MetricTrial) -> None:
    """Generated rows that get worse score worse. Three tenths of them, six, and all are replaced by copies of one that noise has moved five
    deviations: the last scores worse than the floor by each score's `better` ("floor": further from it), and none better but by chance. A
    metric of a model's numbers is given worse numbers; one that looks at training rows may tell either these copies or copies of
    training rows. A score whose `better` is wrong makes `best/` keep the worst weights."""
    floor = trial.measured
    ways: list[tuple[str, Callable[[DataSpec, Batch, float], Batch]]] = [("copies of one moved row", examples.damaged)]
    if "training" in trial.sides:
        training = trial.sides["training"]
        ways.append(("copies of training rows", lambda spec, batch, share: examples.copied(spec, batch, training, share)))
    wrong: dict[str, str] = {}
    for words, how in ways:
        steps = _steps(trial, how)
        found = {score.name: _wrong(score, steps, words) for score in floor if not wrong or score.name in wrong}
        wrong = {name: wrong.get(name, said) for name, said in found.items() if said}
        if not wrong:
            return
    raise Failure(next(iter(wrong.values())))


def _steps(trial: MetricTrial, how: Callable[[DataSpec, Batch, float], Batch]) -> list[dict[str, Score]]:
    """The scores of each step, by name. What cannot be measured any more is left out: one constant row has no correlations."""
    found = []
    for share in SHARES:
        try:
            scores = trial.slightly if how is examples.damaged and share == SHARES[0] else trial.of(trial.damaged(how, share))
        except GentkError as error:
            one_line(error)
            continue
        found.append({score.name: score for score in scores})
    return found


def _wrong(floor: Score, steps: Sequence[Mapping[str, Score]], words: str) -> str:
    """What is wrong with a score's answer to one kind of damage, or nothing."""
    found = [step[floor.name] for step in steps if floor.name in step]
    if not found:
        return f"'{floor.name}' has no value where rows are {words}"
    worse = [_worse(floor, score) for score in found]
    chance = SURE * max(score.error or 0.0 for score in (floor, *found))
    rounding = 1e-6 * max(abs(floor.value), abs(found[-1].value))
    said = f"'{floor.name}', better '{floor.better}'"
    if not worse[-1] > max(chance, rounding):
        return f"{said}, is {found[-1].value:.4g} where all rows are {words}, and {floor.value:.4g} at the floor: that is not worse"
    for share, score, by in zip(SHARES, found, worse, strict=False):
        if by < -max(SLACK * worse[-1], chance):
            place = f"{score.value:.4g} where {share:.0%} of the rows are {words}"
            return f"{said}, is {place}, and {floor.value:.4g} at the floor: that is better"
    return ""


def _worse(floor: Score, score: Score) -> float:
    """By how much a value is worse than the floor."""
    by = score.value - floor.value
    return {"lower": by, "higher": -by, "floor": abs(by)}[floor.better]


# ---------------------------------------------------------------- refusing
@check("metric")
def metric_refuses(trial: MetricTrial) -> None:
    """Where there is nothing to measure, it says so: of no rows, of no generated ones, and where a number among them is NaN (infinite, in
    series and tables, whose NaN is a missing value), it raises GentkError in one line, or gives no score. Never another exception, never a
    number, and it comes to an end. A collapsed training is when people evaluate."""
    if trial.function:
        raise Skip("a function is given all rows at once, as they are")
    real = {side: batch for side, batch in trial.sides.items() if side != "generated"}
    _refuses(trial, {}, "of no rows")
    if "generated" in trial.sides:
        _refuses(trial, real, "without generated rows")
    both: tuple[Side, ...] = ("generated", "real")
    for side in [side for side in both if side in trial.sides]:
        for key in _numbers(trial):
            batch = dict(trial.sides[side])
            batch[key] = _spoilt(batch[key], key, trial.data)
            _refuses(trial, {**trial.sides, side: batch}, f"of {side} rows with a number in '{key}' that is not finite", side)


def _numbers(trial: MetricTrial) -> list[str]:
    """The keys whose numbers the metric is made of: x where it needs nothing else."""
    needs: list[str] = [key for key in ("features", "logits", "log_prob", "log_label", "reconstruction") if key in trial.spec.needs]
    batch = next(iter(trial.sides.values()))
    return [key for key in needs or ["x"] if key in batch and batch[key].is_floating_point()]


def _spoilt(value: Tensor, key: str, data: DataSpec) -> Tensor:
    gaps = key in ("x", "reconstruction") and (data.modality == "series" or any(column.missing for column in data.leaves["x"].columns))
    found = value.clone()
    found.view(len(found), -1)[5, 0] = math.inf if gaps else math.nan
    return found


def _refuses(trial: MetricTrial, sides: Sides, where: str, side: Side = "generated") -> None:
    metric = trial.make()
    try:
        with within(PATIENCE, where):
            for one, batch in sides.items():
                metric.update(one, batch)
            scores = trial.scores(metric)
    except GentkError as error:
        one_line(error)
        return
    except (Failure, Skip):
        raise
    except Exception as error:
        raise Failure(f"{where} it raises {cause(error)}: raise gentk.errors.GentkError, which says what to do") from error
    finite = [score for score in scores if isinstance(score, Score) and math.isfinite(score.value)]
    if finite and not (side == "real" and _blind(trial, side)):
        raise Failure(f"{where} '{finite[0].name}' is {finite[0].value:.4g}: raise gentk.errors.GentkError")


def _blind(trial: MetricTrial, side: Side) -> bool:
    """Whether the metric does not look at a side: its scores are the same without it."""
    try:
        without = trial.of({one: batch for one, batch in trial.sides.items() if one != side})
    except Exception:
        return False
    return [score.value for score in without] == [score.value for score in trial.floor]
