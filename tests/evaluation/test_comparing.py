"""Several models beside one reference: what is refused, what is shown, what they cost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import gentk
from gentk.errors import UsageError
from gentk.evaluation import comparing
from gentk.evaluation.comparing import Comparison, compared, cost_of, matching, named, seconds_of, standings
from gentk.evaluation.rows import given
from gentk.host.lookup import weights_path
from gentk.protocols import Score
from tests.report.made import IMAGES, entry, samples, score

NAMES = ["ddpm/moons", "classical/gmm"]
METRICS = ["mean-gap", "fraction"]


@pytest.fixture
def found(meter: Path) -> Comparison:
    return compared(NAMES, metrics=METRICS, n=60, shown=12)


def test_every_model_stands_beside_the_same_examples(found: Comparison) -> None:
    assert found.reference.name == "moons" and found.metrics == ["mean-gap", "fraction", "left"]
    floors = {name: {one.score(name).floor for one in found.entries} for name in found.metrics}  # type: ignore[union-attr]
    assert all(len(values) == 1 for values in floors.values())
    assert [one.result.n for one in found.entries] == [60, 60]
    alone = gentk.evaluate("classical/gmm", metrics=METRICS, n=60)
    assert list(alone.scores) == list(found.entries[1].result.scores)


def test_halves_are_kept_where_the_error_comes_from_them(found: Comparison) -> None:
    for one in found.entries:
        assert set(one.result.halves) == {"mean-gap", "left"}, "fraction knows its own error"
        values = torch.tensor(one.result.halves["mean-gap"], dtype=torch.float64)
        score = one.score("mean-gap")
        assert score is not None and score.error == pytest.approx(float(values.std()), rel=1e-9)
    assert {rank.by for rank in found.ranks["mean-gap"].values()} == {"halves"}
    assert {rank.by for rank in found.ranks["fraction"].values()} == {"error"}
    assert sorted(rank.place for rank in found.ranks["mean-gap"].values()) == [1, 2]


def test_equal_seeds_give_the_samples_of_gentk_sample(found: Comparison) -> None:
    labels = list(found.labels)
    assert labels == found.examples["label"].tolist() and len(labels) == 12
    for one in found.entries:
        model = gentk.load(one.name)
        assert one.labelled and one.samples is not None
        assert torch.equal(one.samples["label"], torch.tensor(labels))
        assert torch.equal(one.samples["x"], gentk.sample(model, 12, seed=0, cond={"label": labels})["x"])


def test_a_reference_by_name_is_that_of_all(meter: Path) -> None:
    found = compared(NAMES, reference="circles", metrics=["mean-gap"], n=40, shown=4)
    assert [one.result.reference for one in found.entries] == [found.reference] * 2 and found.reference.name == "circles"


def test_a_metric_that_one_model_cannot_have_is_passed_over_for_it(meter: Path) -> None:
    found = compared(NAMES, metrics=["nats", "mean-gap"], n=40, shown=2)
    ddpm, gmm = found.entries
    assert gmm.score("nats") is not None and ddpm.score("nats") is None
    assert list(ddpm.result.passed_over) == ["nats"] and set(found.ranks) == {"mean-gap"}
    with pytest.raises(UsageError, match="metric"):
        compared(NAMES, metrics=["mean-gapp"], n=40, shown=2)


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("names", "more", "words"),
    [
        (["classical/gmm"], {}, "two models or more"),
        (["classical/gmm", "classical/gmm"], {}, "named twice"),
        (["classical/gmm", "vae/mnist"], {}, "makes image, and data set 'moons' holds points"),
        (["classical/gmm", "ddpm/moons"], {"reference": "sprinkler"}, "give another --reference"),
        (["classical/gmm", "ddpm/moons"], {"split": "tset"}, "no split 'tset'"),
        (["classical/gmm", "classical/gmmm"], {}, "gmmm"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_loaded(
    names: list[str], more: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(comparing, "of_weights", loaded)
    with pytest.raises(UsageError) as refused:
        compared(names, **more)
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_folders_of_one_name_go_by_what_was_typed(tmp_path: Path) -> None:
    for run in ("a", "b"):
        shutil.copytree(weights_path("classical", "gmm"), tmp_path / run / "best")
    names = [str(tmp_path / run / "best") for run in ("a", "b")]
    assert [one.title for one in named(names)] == names
    assert [one.title for one in named([names[0], "classical/gmm"])] == ["best", "classical/gmm"]


# ---------------------------------------------------------------- what is shown and ranked
def test_examples_are_picked_by_label_and_none_twice() -> None:
    labels = torch.tensor([2, 0, 0, 1, 2, 2])
    batch = {"x": torch.arange(6.0)[:, None], "label": labels}
    picked = matching(given(batch), [0, 1, 2, 0, 1, 2])
    assert picked["label"].tolist() == [0, 1, 2, 0, 2] and picked["x"].flatten().tolist() == [1, 3, 0, 2, 4]
    assert matching(given(batch), []) == {} and matching(given(batch), [7]) == {}


def test_likelihoods_of_different_data_have_no_rank() -> None:
    nll = [Score(name="nll", value=value, error=0.1, examples=9) for value in (1.0, 2.0)]
    gap = [score("gap", value) for value in (1.0, 2.0)]
    same = [entry(name, [a, b], samples(IMAGES)) for name, a, b in zip("ab", nll, gap, strict=True)]
    assert set(standings(same)[0]) == {"nll", "gap"} and standings(same)[1] == []
    other = [same[0], entry("b", [nll[1], gap[1]], samples(IMAGES), asked="others")]
    ranks, apart = standings(other)
    assert set(ranks) == {"gap"} and apart == ["nll"]


# ---------------------------------------------------------------- what it cost
def test_the_log_says_steps_and_seconds(tmp_path: Path) -> None:
    run = Path(shutil.copytree(weights_path("classical", "gmm"), tmp_path / "run"))
    assert cost_of(run).steps is None and cost_of(run).seconds is None and cost_of(run).parameters > 0
    rows = [{"step": 10, "loss": 1.0}, {"step": 20, "steps_per_second": 5.0}, {"step": 40, "steps_per_second": 10.0}]
    (run / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "no row\n")
    found = cost_of(run)
    assert found.steps == 40 and found.seconds == pytest.approx((10 / 5 + 20 / 10) * 40 / 30)


def test_a_log_that_hardly_says_its_speed_says_no_time() -> None:
    assert seconds_of([]) is None
    assert seconds_of([{"step": 90}, {"step": 100, "steps_per_second": 1.0}]) is None
    assert seconds_of([{"step": 10, "steps_per_second": "fast"}, {"step": 20, "steps_per_second": 0.0}]) is None
    resumed = [{"step": 10, "steps_per_second": 1.0}, {"step": 5, "steps_per_second": 1.0}, {"step": 20, "steps_per_second": 1.0}]
    assert seconds_of(resumed) == pytest.approx(20.0)


def test_a_log_that_is_a_link_elsewhere_is_not_read(tmp_path: Path) -> None:
    run = Path(shutil.copytree(weights_path("classical", "gmm"), tmp_path / "run"))
    (tmp_path / "secret").write_text('{"step": 7}\n')
    (run / "log.jsonl").symlink_to(tmp_path / "secret")
    assert cost_of(run).steps is None
