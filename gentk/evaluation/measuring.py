"""One pass of rows through metrics; and what it says of a value to measure it again on halves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..distributed import Ranks
from ..errors import GentkError
from ..protocols import Batch, DataSpec, Metric, Score, Side
from ..text import cause
from .choosing import OF_MODEL, Chosen
from .rows import SECONDS, Rows

HALVES = 10  # random halves: the spread of a value over them is the error of the whole
Sides = Mapping[Side, Rows]
Picked = Mapping[Side, Tensor]  # (n,) bool: the rows of a side that count


class Measured(NamedTuple):
    """The result of one metric: its scores, or why there are none; and what it wants looked at. `again`: by a score's name its value on
    each half, NaN where a half gave none."""

    scores: tuple[Score, ...]
    why: str = ""
    pairs: tuple[tuple[int, int], ...] = ()
    again: Mapping[str, Sequence[float]] = {}


def measured(metrics: Sequence[Chosen], data: DataSpec, sides: Sides, ranks: Ranks, picked: Picked | None = None) -> dict[str, Measured]:
    """Every metric's scores of these sides, on every rank. Each rank reads its share of the rows, and computes its share of the metrics."""
    made = {one.name: _made(one, data) for one in metrics}
    live = {name: metric for name, metric in made.items() if not isinstance(metric, str)}
    failed = {name: why for name, why in made.items() if isinstance(why, str)}
    for side, rows in sides.items():
        wanting = {one.name: live[one.name] for one in metrics if one.name in live and side in sides_of(one)}
        for chunk in rows.chunks(ranks.share_of(rows.number)) if wanting else ():
            batch = _rows(rows.part(chunk), chunk, (picked or {}).get(side))
            for name, metric in wanting.items() if batch else ():
                if name not in failed and (why := _said(partial(metric.update, side, batch))):
                    failed[name] = why
    return _computed(metrics, data, live, failed, ranks)


def sides_of(metric: Chosen) -> tuple[Side, ...]:
    """Which rows a metric is given."""
    if of_model(metric):
        return ("real",)
    return ("generated", "real", "training") if "training" in metric.spec.needs else ("generated", "real")


def of_model(metric: Chosen) -> bool:
    """Whether it looks at what a model says of examples, not at samples."""
    return bool(OF_MODEL & set(metric.spec.needs))


def _made(one: Chosen, data: DataSpec) -> Metric | str:
    try:
        return one.make(data)
    except GentkError as error:
        return str(error)


def _rows(batch: Batch, chunk: range, picked: Tensor | None) -> dict[str, Tensor]:
    """The rows that count; nothing where none does."""
    found = {key: value for key, value in batch.items() if key != SECONDS}
    if picked is None:
        return found
    which = picked[chunk.start : chunk.stop]
    return {key: value[which] for key, value in found.items()} if bool(which.any()) else {}


def _said(act: Callable[[], Any]) -> str:
    """Why it failed, in one line; empty where it did not."""
    try:
        act()
    except GentkError as error:
        return str(error)
    except Exception as error:
        return cause(error)
    return ""


def _computed(
    metrics: Sequence[Chosen], data: DataSpec, live: Mapping[str, Metric], failed: dict[str, str], ranks: Ranks
) -> dict[str, Measured]:
    mine: dict[str, Measured] = {}
    for i, one in enumerate(metrics):
        states = ranks.lists((failed.get(one.name, ""), live[one.name].state() if one.name in live else {}))
        if i % ranks.world != ranks.rank:
            continue
        if why := next((why for why, _ in states if why), ""):
            mine[one.name] = Measured((), why)
            continue
        whole = live[one.name] if ranks.world == 1 else one.make(data)
        for _, state in states if ranks.world > 1 else ():
            whole.merge(state)
        mine[one.name] = computed(whole)
    everyone = {name: found for part in ranks.lists(mine) for name, found in part.items()}
    return {one.name: everyone[one.name] for one in metrics}


def computed(metric: Metric) -> Measured:
    """The scores, if each is a number; else why not."""
    found: list[Score] = []

    def compute() -> None:
        scores = metric.compute()
        found.extend([scores] if isinstance(scores, Score) else scores)

    why = _said(compute)
    if why or not found:
        return Measured((), why or "it gave no score")
    return Measured(tuple(found), pairs=tuple(getattr(metric, "pairs", ())))


def halves(sizes: Mapping[Side, int], times: int = HALVES) -> Iterator[Picked]:
    """Random halves of the sides, without repetition: copies of a row would be its nearest neighbours."""
    for i in range(times):
        drawn = np.random.Generator(np.random.Philox(key=[i, 0]))
        yield {side: torch.from_numpy(np.isin(np.arange(n), drawn.permutation(n)[: n // 2])) for side, n in sizes.items()}


def spread(values: Sequence[float]) -> float | None:
    """The standard error of a statistic by its values on random halves: of n/2 rows without repetition, the variance around the whole is
    that of the whole itself (the delete-half jackknife; Shao and Wu 1989, which holds for quantiles and neighbours, too)."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
