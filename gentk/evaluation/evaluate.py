"""How good a model is, or what it made: every metric that applies, beside the floor of real examples, each with its error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from ..distributed import Ranks
from ..errors import GentkError, UsageError
from ..inference.likelihood import kind_of
from ..inference.sampling import final_data
from ..protocols import Batch, Score, Side
from ..stages import heard, listener, stages
from .cache import Cache, opened
from .choosing import Chosen, cannot, chosen, passed_over
from .material import Material, Request, asked, material
from .measuring import HALVES, Measured, halves, measured, of_model, spread
from .reference import Reference
from .rows import SECONDS, Rows

NO_METRIC = "no metric is installed: gentk plugins install metrics"
DRAWING = 0.8  # share of the time, as a guess for who waits


@dataclass(frozen=True)
class Evaluation:
    """What was found. `failed`: metrics that gave no number, and why; `passed_over`: those that would need more than was at hand.
    `seconds`: that one sample took when it was drawn. `nearest`: samples, and the training examples that they are nearest to. `halves`: by
    a score's name its value on each random half, where its error comes from these. The halves are the same for every model of the same n,
    so that two models can be compared half by half."""

    title: str
    reference: Reference
    scores: Sequence[Score]
    failed: Mapping[str, str]
    passed_over: Mapping[str, str]
    featurizer: str
    n: int
    seed: int
    seconds: float | None = None
    nearest: tuple[Batch, Batch] | None = None
    halves: Mapping[str, Sequence[float]] = field(default_factory=dict)


def evaluated(request: Request, *, bare: bool = False) -> Evaluation:
    """`bare`: the values alone, without floor and error. Raises UsageError for what does not fit together or cannot be measured, GentkError
    where samples cannot be drawn."""
    ranks = Ranks()
    with opened(request.cached) as cache, torch.no_grad():
        found, metrics = chosen_for(request, cache)
        told = listener() or (lambda share: None)
        with heard(lambda share: told(DRAWING * share)):
            seconds = _drawn(found, metrics, ranks)
        with heard(lambda share: told(DRAWING + (1 - DRAWING) * share)):
            results: dict[str, Measured] = {}
            for part in stages((partial(_compared, bare=bare), partial(_asked, request=request, cache=cache)), 2):
                results |= part(found, metrics, ranks)
        nearest = _looked_at(found, results)
    return Evaluation(
        title=request.title,
        reference=request.reference,
        scores=[score for one in metrics for score in results[one.name].scores],
        failed={name: result.why for name, result in results.items() if result.why},
        passed_over=_lacking(request, found) if request.metrics else passed_over(found.spec, request.plugin, found.has),
        featurizer=found.featurizer.id if found.featurizer else "",
        n=(found.sides.get("generated") or found.own or Rows(0, lambda _: {})).n,
        seed=request.seed,
        seconds=seconds,
        nearest=nearest,
        halves={name: values for result in results.values() for name, values in result.again.items()},
    )


def chosen_for(request: Request, cache: Cache) -> tuple[Material, list[Chosen]]:
    """What there is to measure with, and the metrics that it is enough for; nothing is drawn yet. Raises UsageError."""
    found = material(request, cache)
    lacking = _lacking(request, found)
    names = [name for name in request.metrics if name not in lacking]
    metrics = chosen(names, request.options, found.spec, request.plugin, found.has) if names or not request.metrics else []
    if not metrics:
        reasons = "; ".join(sorted({*(lacking or found.has).values()} - {""}))
        raise UsageError(f"nothing of {request.title} can be measured: {reasons or NO_METRIC}")
    return found, metrics


def _lacking(request: Request, found: Material) -> dict[str, str]:
    """The metrics that were asked for, need not be measured at any rate, and cannot be; and why."""
    whys = {name: cannot(name, found.spec, request.plugin, found.has) for name in request.metrics} if request.possible else {}
    return {name: why for name, why in whys.items() if why}


def _drawn(found: Material, metrics: Sequence[Chosen], ranks: Ranks) -> float | None:
    """Draws and describes this rank's share, into the cache; seconds per sample, if these were drawn and not read from a file."""
    rows = found.sides.get("generated")
    if rows is None or all(of_model(one) for one in metrics):
        return None
    seconds, count = 0.0, 0
    share = ranks.share_of(rows.number)
    for chunk in stages(rows.chunks(share), len(share)):
        batch = rows.part(chunk)
        if SECONDS in batch:
            seconds, count = seconds + float(batch[SECONDS]), count + len(chunk)
    ranks.wait()
    total = ranks.lists((seconds, count))
    counted = sum(n for _, n in total)
    return sum(s for s, _ in total) / counted if counted else None


def _compared(found: Material, metrics: Sequence[Chosen], ranks: Ranks, *, bare: bool) -> dict[str, Measured]:
    """The metrics of samples beside examples: the value, the floor, and the error by random halves where a metric knows none of its own."""
    wanted = [one for one in metrics if not of_model(one)]
    if not wanted:
        return {}
    if bare:
        values = measured(wanted, found.spec, found.sides, ranks)
        return {one.name: _whole(values[one.name], Measured(()), (), found) for one in wanted}
    sizes: dict[Side, int] = {"generated": found.sides["generated"].n, "real": found.sides["real"].n}
    passes: list[dict[str, Measured]] = []
    for i, picked in enumerate(stages([None, None, *halves(sizes)], HALVES + 2)):
        sides = found.floor if i == 1 else found.sides
        asked = wanted if i < 2 else [one for one in wanted if any(score.error is None for score in passes[0][one.name].scores)]
        passes.append(measured(asked, found.spec, sides, ranks, picked) if asked else {})
    values, floors, *again = passes
    return {one.name: _whole(values[one.name], floors[one.name], [each[one.name] for each in again if one.name in each], found)
            for one in wanted}  # fmt: skip


def _looked_at(found: Material, results: Mapping[str, Measured]) -> tuple[Batch, Batch] | None:
    """The rows of the pairs that a metric named."""
    pairs = next((result.pairs for result in results.values() if result.pairs), ())
    if not pairs or "training" not in found.sides:
        return None
    return found.sides["generated"].pick([i for i, _ in pairs]), found.sides["training"].pick([j for _, j in pairs])


def _whole(value: Measured, floor: Measured, again: Sequence[Measured], found: Material) -> Measured:
    """The scores with their counts, their floor and their error."""
    beside = {score.name: score.value for score in floor.scores}
    generated, others = found.sides["generated"].n, found.floor["generated"].n
    values = [{score.name: score.value for score in each.scores} for each in again]
    halved = {score.name: [each.get(score.name, math.nan) for each in values] for score in value.scores if score.error is None and values}

    def filled(score: Score) -> Score:
        spread_of = spread([one for one in halved.get(score.name, ()) if math.isfinite(one)])
        known: dict[str, Any] = {"error": score.error if score.error is not None else spread_of}
        known |= {"examples": generated, "reference": found.sides["real"].n}
        if score.name in beside:
            known |= {"floor": beside[score.name], "floor_examples": others}
        if found.featurizer is not None and "featurizer" not in score.parameters:
            known |= {"parameters": {**score.parameters, "featurizer": found.featurizer.id}}
        return score.model_copy(update=known)

    return Measured(tuple(map(filled, value.scores)), value.why, value.pairs, halved)


def _asked(found: Material, metrics: Sequence[Chosen], ranks: Ranks, *, request: Request, cache: Cache) -> dict[str, Measured]:
    """The metrics of what a model says of examples."""
    results: dict[str, Measured] = {}
    wanted = [one for one in metrics if of_model(one)]
    for one in stages(wanted, len(wanted)):
        assert found.own is not None  # else nothing of the model was chosen
        try:
            rows: Rows = asked(found.own, request.model, one, request.seed, cache)
            result = measured([one], final_data(request.model), {"real": rows}, ranks)[one.name]
        except GentkError as error:  # of the model, which may be asked for a condition that nobody knows
            results[one.name] = Measured((), str(error))
            continue
        known: dict[str, Any] = {"examples": rows.n}
        if "log_prob" in one.spec.needs:
            known["kind"] = kind_of(request.model)
        results[one.name] = Measured(tuple(score.model_copy(update=known) for score in result.scores), result.why)
    return results
