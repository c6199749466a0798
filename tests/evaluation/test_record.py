"""metrics.json: what was measured of these very numbers stays, what was measured of others goes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import gentk
from gentk.errors import GentkError
from gentk.evaluation.evaluate import Evaluation
from gentk.evaluation.record import record, told
from gentk.evaluation.reference import Reference
from gentk.host.lookup import weights_path
from gentk.protocols import Score
from gentk.weights.card import card
from gentk.weights.card.scores import metrics_of, scores_of
from gentk.weights.safety import read_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(weights_path("classical", "gmm"), tmp_path / "mine", ignore=lambda _, names: {"metrics.json"} & set(names))
    return tmp_path / "mine"


def found(*scores: Score, reference: str = "moons", seconds: float | None = 0.5) -> Evaluation:
    return Evaluation("mine", Reference(reference, "test", {}), scores, {}, {}, "flat", 1000, 0, seconds)


def score(name: str, value: float, examples: int = 1000) -> Score:
    return Score(name=name, value=value, error=0.125, floor=0.5, examples=examples, parameters={"featurizer": "flat"})


def said(folder: Path) -> list[tuple[str, float, int | None]]:
    read = metrics_of(folder)
    assert read is not None
    return [(one.name, one.value, one.examples) for one in read.scores]


def test_measured_again_replaces_and_measured_otherwise_adds(folder: Path) -> None:
    record(folder, found(score("frechet", 3.0), score("energy", 1.0)))
    record(folder, found(score("frechet", 2.0)))
    record(folder, found(score("frechet", 1.5, examples=10_000), seconds=None))
    assert said(folder) == [("energy", 1.0, 1000), ("frechet", 2.0, 1000), ("frechet", 1.5, 10_000)]
    read = metrics_of(folder)
    assert read is not None and read.seconds_per_sample == 0.5, "what was not timed this time is still known"
    record(folder, found(score("frechet", 9.0), reference="circles"))
    assert said(folder) == [("frechet", 9.0, 1000)], "beside another data set nothing compares"


def test_figures_of_other_numbers_do_not_count(folder: Path) -> None:
    record(folder, found(score("frechet", 3.0)))
    assert scores_of(folder, [], "moons") is not None
    model = gentk.load(folder)
    next(iter(model.state_dict().values())).mul_(1.5)
    gentk.save(model, folder)
    assert scores_of(folder, [], "moons") is None, "the card must not publish them"
    record(folder, found(score("energy", 1.0)))
    assert said(folder) == [("energy", 1.0, 1000)]


def test_the_card_says_value_error_floor_and_count(folder: Path) -> None:
    record(folder, found(score("frechet", 3.0), Score(name="nll", value=2.5, kind="bound", unit="nats", examples=77)))
    text = card(folder, read_config(folder))
    assert "| frechet | 3 ± 0.12 | 0.5 | 1,000 | flat |" in text and "| nll nats | ≤ 2.5 |  | 77 |  |" in text
    assert "floor is what real examples get" in text


def test_a_strangers_file_is_escaped_and_a_broken_one_named(folder: Path) -> None:
    (folder / "metrics.json").write_text(json.dumps({"format": 1, "dataset": {"name": "x"}, "scores": [
        {"name": "a|b<script>", "value": 1, "unit": "`|", "parameters": {"featurizer": "![](http://x)|"}, "later": 3}]}))  # fmt: skip
    text = card(folder, read_config(folder)).split("\n---\n", 1)[1]
    assert "<script>" not in text and "![](http" not in text
    broken = {"format": 1, "dataset": {"name": "x"}, "scores": [{"name": "a", "value": 1, "better": "up"}]}
    (folder / "metrics.json").write_text(json.dumps(broken))
    with pytest.raises(GentkError, match=r"metrics.json: scores.0.better") as refused:
        metrics_of(folder)
    assert "\n" not in str(refused.value)


def test_json_has_what_failed_and_what_was_passed_over() -> None:
    result = replace(found(score("frechet", 3.0)), failed={"energy": "too few"}, passed_over={"kid": "no features"})
    assert json.loads(json.dumps(told(result)))["failed"] == {"energy": "too few"} and told(result)["passed_over"] == {"kid": "no features"}
    assert told(result)["scores"][0]["error"] == 0.125
