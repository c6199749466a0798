"""What was measured, as JSON: on stdout, and in metrics.json beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import replacing
from ..protocols import Score
from ..weights.card.scores import METRICS, Measured, Metrics, metrics_of
from ..weights.digest import digest
from .evaluate import Evaluation


def told(result: Evaluation) -> dict[str, Any]:
    """For --json."""
    return {
        "weights": result.title,
        "dataset": _dataset(result),
        "featurizer": result.featurizer,
        "seed": result.seed,
        "seconds_per_sample": result.seconds,
        "scores": [score.model_dump(mode="json") for score in result.scores],
        "failed": dict(result.failed),
        "passed_over": dict(result.passed_over),
    }


def record(folder: Path, result: Evaluation) -> None:
    """Writes metrics.json: what it says already of these very weights and of the same data set stays, unless it was measured anew, with as
    many examples. Written to a temporary name and renamed."""
    weights, dataset = digest(folder), Measured(**_dataset(result))
    before = metrics_of(folder)
    same = before is not None and before.weights == weights and before.dataset == dataset
    new = {_key(score) for score in result.scores}
    kept = [score for score in before.scores if _key(score) not in new] if before is not None and same else []
    scores = sorted([*kept, *result.scores], key=lambda score: score.examples or 0)
    seconds = result.seconds if result.seconds is not None else before.seconds_per_sample if before is not None and same else None
    found = Metrics(format=1, weights=weights, dataset=dataset, seconds_per_sample=seconds, scores=scores)
    with replacing(folder / METRICS) as temporary:
        temporary.write_text(json.dumps(found.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n", "utf-8")


def _dataset(result: Evaluation) -> dict[str, str]:
    return {"name": result.reference.name.partition(":")[0], "split": result.reference.split}


def _key(score: Score) -> tuple[str, int | None, str]:
    return score.name, score.examples, str(score.parameters.get("featurizer", ""))
