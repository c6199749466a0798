"""Scores do not depend on how rows come; each stands beside its floor, with its error."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gentk
from gentk.distributed import Ranks
from gentk.errors import UsageError
from gentk.evaluation import Collected, rows
from gentk.evaluation.choosing import Chosen, OfFunction
from gentk.evaluation.evaluate import Evaluation
from gentk.evaluation.measuring import halves, measured, spread
from gentk.host import MetricSpec, lookup
from gentk.protocols import Batch, DataSpec, Leaf, Score

DATA = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})
NAMES = ["mean-gap", "fraction"]
POINTS = {split: torch.randn(n, 2, generator=torch.Generator().manual_seed(n)) for split, n in (("train", 1500), ("test", 700))}


class Small:
    """A data set whose test split is too small for two sets of 600."""

    spec = DATA

    def __init__(self, split: str) -> None:
        self.x = POINTS[split]

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Batch:
        return {"x": self.x[index]}


def normal(n: int, seed: int) -> Batch:
    return {"x": torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))}


def scores(found: Evaluation) -> dict[str, Score]:
    return {score.name: score for score in found.scores}


def points(**changed: object) -> Evaluation:
    given = {"reference": "moons", "metrics": NAMES, "n": 600, **changed}
    return gentk.evaluate("classical/gmm", **given)  # type: ignore[arg-type]


def test_value_floor_and_error_are_what_the_metric_says_of_these_rows(meter: Path) -> None:
    found = scores(points())
    drawn = gentk.sample(gentk.load("classical/gmm"), 600)["x"].double()
    data = gentk.dataset("moons", "test")
    from gentk.evaluation.reference import real, reference

    sides = real(reference("moons", {}), 600)
    first, second = (torch.cat([part.part(chunk)["x"] for chunk in part.chunks()]).double() for part in (sides.rows, sides.others))
    assert len(data) >= 1200 and not set(map(tuple, first.tolist())) & set(map(tuple, second.tolist()))
    gap = found["mean-gap"]
    assert gap.value == pytest.approx(float(2 * (drawn.mean(0) - first.mean(0)).norm()), rel=1e-9)
    assert gap.floor == pytest.approx(float(2 * (second.mean(0) - first.mean(0)).norm()), rel=1e-9)
    assert (gap.examples, gap.reference, gap.floor_examples) == (600, 600, 600)
    assert gap.parameters["featurizer"] == "doubled"
    assert found["fraction"].error == 0.25, "an error that the metric knows itself stays"
    assert found["left"].error is not None and found["left"].error < 0.1, "where one score of a metric has none, halves say it"


def test_error_by_halves_is_the_standard_error_of_the_mean() -> None:
    """Of a mean, the error is known: σ/√n. The spread over halves without repetition is that of the whole."""
    n, found = 400, []
    for seed in range(30):
        x = normal(n, seed)["x"][:, 0].double()
        found.append(spread([float(x[picked["generated"]].mean()) for picked in halves({"generated": n})]))
    assert np.mean([value for value in found if value is not None]) == pytest.approx(1 / math.sqrt(n), rel=0.1)


def test_a_half_holds_each_row_at_most_once_and_half_of_them() -> None:
    for picked in halves({"generated": 101, "real": 7}):
        assert int(picked["generated"].sum()) == 50 and int(picked["real"].sum()) == 3
    first, second = list(halves({"generated": 101}))[:2]
    assert not torch.equal(first["generated"], second["generated"])


def test_a_function_is_a_metric_of_all_rows() -> None:
    def far(generated: Batch, real: Batch) -> float:
        assert len(generated["x"]) == 700 and len(real["x"]) == 300
        return float((generated["x"].mean(0) - real["x"].mean(0)).norm())

    metric = OfFunction(DATA, "far", far)
    a, b = normal(700, 0), normal(300, 1)
    for chunk in rows.given(a).chunks():
        metric.update("generated", rows.given(a).part(chunk))
    metric.update("real", b)
    assert metric.compute().value == pytest.approx(far(a, b))


def test_collected_rows_of_ranks_are_those_of_one() -> None:
    a = normal(10, 0)["x"]
    whole, first, second = (Collected(DATA) for _ in range(3))
    whole.update("generated", {"x": a})
    first.update("generated", {"x": a[:3]})
    second.update("generated", {"x": a[3:]})
    first.merge(second.state())
    assert torch.equal(first.rows("generated")["x"], whole.rows("generated")["x"])


def test_what_a_plugin_raises_is_the_failure_of_its_metric_alone(meter: Path) -> None:
    found = points(metrics=["mean-gap", "fails"])
    assert found.failed == {"fails": "too few of them"} and [score.name for score in found.scores] == ["mean-gap"]

    class Broken:
        def __init__(self, data: DataSpec) -> None:
            raise RuntimeError("no such thing")

    spec = MetricSpec("broken", f"{__name__}:Broken")
    globals()["Broken"] = Broken
    result = measured([Chosen(spec, "", {})], DATA, {"generated": rows.given(normal(5, 0))}, Ranks())
    assert not result["broken"].scores and "no such thing" in result["broken"].why


def test_what_applies_is_measured_and_the_rest_is_named(meter: Path) -> None:
    found = points(metrics=[])
    names = {score.name for score in found.scores}
    assert {"mean-gap", "fraction", "nats"} <= names and "slow" not in names and "watched" not in names
    assert found.passed_over["classes"] == "the featurizer doubled is no classifier"
    with pytest.raises(UsageError, match="'classes' cannot be measured here: the featurizer doubled is no classifier"):
        points(metrics=["classes"])
    assert scores(points(metrics=["slow"]))["slow"].value >= 0


def test_likelihood_is_that_of_held_out_examples(meter: Path) -> None:
    found = points(metrics=["nats"], n=50)
    model = gentk.load("classical/gmm")
    from gentk.examples import fetch, some

    recipe = lookup.recipe("classical", "gmm")
    data = lookup.dataset(recipe.dataset.name, "test", recipe.dataset.options)
    expected = -float(gentk.log_prob(model, fetch(data, some(len(data), 50))).double().mean())
    score = scores(found)["nats"]
    assert score.value == pytest.approx(expected, rel=1e-9) and score.kind == "exact" and score.floor is None


def test_samples_are_measured_as_their_model_is(meter: Path) -> None:
    drawn = gentk.sample(gentk.load("classical/gmm"), 600)
    assert scores(points())["mean-gap"] == scores(gentk.evaluate(drawn, reference="moons", metrics=NAMES, n=600))["mean-gap"]
    with pytest.raises(UsageError, match="reference"):
        gentk.evaluate(drawn)


def test_kept_samples_are_drawn_once_and_a_larger_n_goes_on(meter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[range] = []

    def counting(model: object, n: int, **more: object) -> object:
        drawn.append(more["rows"])  # type: ignore[arg-type]
        return gentk.sample(model, n, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(rows, "sample", counting)
    first = points()
    assert [(part.start, part.stop) for part in drawn] == [(0, 250), (250, 500), (500, 600)]
    drawn.clear()
    assert points() == first and not drawn, "the seconds of a sample, too, are those of when it was drawn"
    points(n=1000)
    assert [(part.start, part.stop) for part in drawn] == [(500, 750), (750, 1000)]
    drawn.clear()
    points(cached=False)
    points(seed=1)
    assert len(drawn) == 6


def test_a_damaged_cache_is_made_again(meter: Path) -> None:
    before = points()
    for path in meter.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-3])
    assert points().scores == before.scores


def test_the_cache_forgets_what_was_used_longest_ago(tmp_path: Path) -> None:
    import os

    from gentk.evaluation.cache import Cache, digest

    cache = Cache(tmp_path)
    for i in range(4):
        cache.tensors(digest(str(i)), lambda: {"x": torch.zeros(1000)})
    paths = sorted(tmp_path.rglob("*.safetensors"))
    for age, path in enumerate(paths):
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    cache.prune(most=2 * paths[0].stat().st_size)
    assert sorted(tmp_path.rglob("*.safetensors")) == paths[:2]


@pytest.mark.parametrize(("wrong", "words"), [
    ({"reference": "mnist"}, "holds image"),
    ({"reference": "seasonal"}, "holds series"),
    ({"metrics": ["mean-gpa"]}, "did you mean"),
    ({"metrics": ["mean-gap"], "k": 3}, "has an option 'k'"),
    ({"featurizer": "none-such"}, "none-such"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(meter: Path, wrong: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        points(**wrong)
    assert "\n" not in str(refused.value)


def test_ranks_share_the_work_and_find_the_same(meter: Path, tmp_path: Path) -> None:
    import json
    import os

    code = (
        "import json, sys, gentk\n"
        "from gentk.distributed import Ranks\n"
        f"found = gentk.evaluate('classical/gmm', reference='moons', metrics={NAMES!r}, n=1100, cached=False)\n"
        "print(json.dumps([s.model_dump() for s in found.scores])) if Ranks().first else None\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "OMP_NUM_THREADS": "1"}
    port = str(20_000 + os.getpid() % 20_000)
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    runs = [subprocess.Popen([sys.executable, "-c", code], env={**env, **world, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
            for rank in range(2)]  # fmt: skip
    said = [run.communicate(timeout=100)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    together = json.loads(said[0])
    alone = [score.model_dump() for score in points(n=1100, cached=False).scores]
    for a, b in zip(together, alone, strict=True):
        assert a["name"] == b["name"]
        assert (a["value"], a["error"]) == pytest.approx((b["value"], b["error"]), rel=1e-9)


def test_progress_never_goes_back(meter: Path) -> None:
    from gentk.stages import heard

    told: list[float] = []
    with heard(told.append):
        gentk.evaluate("ddpm/moons", metrics=NAMES, n=600, cached=False, sampler=gentk.sampler("ddim", steps=5))
    assert told == sorted(told) and len({round(share, 6) for share in told}) > 15 and told[-1] == 1


def test_what_a_metric_wants_looked_at_is_shown(meter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = lookup.dataset

    def dataset(name: str, split: str = "train", *more: Any) -> Any:
        return Small(split) if name == "small" else real(name, split, *more)

    monkeypatch.setattr(lookup, "dataset", dataset)
    monkeypatch.setattr(lookup, "dataset_options", lambda name, plugin=None: None)
    found = points(metrics=["pairing"], n=600, reference="small")
    assert found.nearest is not None
    made, seen = found.nearest
    drawn = gentk.sample(gentk.load("classical/gmm"), 600)["x"]
    assert torch.equal(made["x"][0], drawn[drawn[:, 0].argmax()])
    train = POINTS["train"]
    assert torch.equal(seen["x"][0], train[train[:, 0].argmax()])
    (score,) = found.scores
    assert score.value == 0 and score.floor == 0, "the floor's examples are of the training split, and not compared with themselves"


def test_samples_asked_for_otherwise_are_others(tmp_path: Path) -> None:
    """Also where two long tensors are written alike."""
    from gentk.evaluation.cache import Cache

    model, sampler = gentk.load("classical/gmm"), gentk.sampler("direct")
    labels = torch.zeros(3000, dtype=torch.long)
    other = labels.clone()
    other[100:250] = 1
    assert str(labels) == str(other)
    found = [rows.drawn(model, 3000, seed=0, sampler=sampler, cond={"label": label}, cache=Cache(tmp_path)).part(range(250))["label"]
             for label in (labels, other)]  # fmt: skip
    assert not torch.equal(found[0], found[1])


def test_the_reference_is_without_what_only_training_adds() -> None:
    from gentk.evaluation.reference import reference

    trained = {"size": 32, "binarise": "dynamic", "labelled": 100, "augment": {"shift": 0.1}, "labels": False}
    assert reference("mnist", trained).options == {"size": 32, "labels": False}
