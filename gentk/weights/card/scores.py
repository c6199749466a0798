"""How good the weights are: metrics.json, else what the log says of the test split."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from ...errors import GentkError
from ...protocols import Score
from ..digest import digest
from ..files import read_json, shown

METRICS, VALIDATION = "metrics.json", "validation/"


class Measured(BaseModel):
    """What was measured against."""

    name: str
    split: str = ""


class Metrics(BaseModel):
    """metrics.json, format 1. Keys that are not known are passed over: who measures may say more."""

    format: Literal[1]
    weights: str = ""  # `digest` of those that were measured
    dataset: Measured
    seconds_per_sample: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    scores: list[Score]


class Scores(NamedTuple):
    """`step`: of the training, where the log says it."""

    rows: Sequence[Score]
    dataset: str
    split: str
    step: int | None = None


def metrics_of(folder: Path) -> Metrics | None:
    """metrics.json, where there is one. Raises GentkError for one of another shape."""
    if not (folder / METRICS).exists():
        return None
    try:
        return Metrics.model_validate(read_json(folder, METRICS))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(shown(key, 40) for key in first["loc"])
        raise GentkError(f"{folder / METRICS}: {place}: {shown(first['msg'].removeprefix('Input '), 120)}") from None


def scores_of(folder: Path, log: Sequence[Any], dataset: str) -> Scores | None:
    """metrics.json, if it is of these weights, else the last validation in the log. Raises what `metrics_of` does."""
    if (found := metrics_of(folder)) is not None and (not found.weights or found.weights == digest(folder)):
        return Scores(found.scores, found.dataset.name, found.dataset.split) if found.scores else None
    for row in reversed(log):
        if found_here := [Score(name=key.removeprefix(VALIDATION), value=value) for key, value in row.items() if _counts(key, value)]:
            return Scores(found_here, dataset, "test", row["step"] if isinstance(row.get("step"), int) else None)
    return None


def _counts(key: str, value: Any) -> bool:
    return key.startswith(VALIDATION) and len(key) > len(VALIDATION) and type(value) in (int, float) and abs(value) <= sys.float_info.max
