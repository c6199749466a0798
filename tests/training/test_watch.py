"""Which number counts: `best/` is kept by it, and a training ends that no longer improves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import gentk
from gentk.errors import UsageError
from gentk.examples import some
from gentk.protocols import Watch
from gentk.runs import Run
from gentk.training import Training
from tests.stranger.families import FAMILIES
from tests.stranger.families import recipe as of

pytestmark = pytest.mark.usefixtures("stranger")


def asked(name: str, **changes: Any) -> Any:
    return of(FAMILIES[name], {}, **{"steps": 12, "evaluate_every": 3, "log_every": 4, **changes})


@pytest.fixture
def model_of(monkeypatch: pytest.MonkeyPatch, stranger: None) -> Any:
    """Changes what a stranger's class watches."""
    from gentk.host.lookup import model_spec
    from gentk.host.specs import resolve

    def change(name: str, watch: Any) -> None:
        monkeypatch.setattr(resolve(model_spec("stranger", name).target), "watch", watch, raising=False)

    return change


@pytest.mark.parametrize(
    ("name", "watch", "values", "best"),
    [
        ("wgan", Watch("critic/wasserstein"), [3.0, 1.0, 2.0, 1.0], 6),
        ("wgan", Watch("generator/loss", "higher"), [1.0, 3.0, 5.0, 2.0], 9),
        ("vae", Watch("loss"), [float("nan"), 2.0, float("nan"), 3.0], 6),
    ],
)
def test_the_best_is_that_of_the_watched_number(model_of: Any, tmp_path: Path, name: str, watch: Watch, values: Any, best: int) -> None:
    model_of(name, watch)
    training = Training(asked(name), tmp_path / "run")
    told = iter(values)
    real = training.trainer.validate
    training._try_watch = lambda: None  # type: ignore[method-assign]
    training.trainer.validate = lambda: {**real(), watch.name: next(told)}  # type: ignore[method-assign]
    kept = {}
    for progress in training:
        kept[progress.step] = {k: v.clone() for k, v in training.trainer.averaged.state_dict().items()}
    found = load_file(tmp_path / "run" / "best" / "model.safetensors")
    assert found and all(torch.equal(value, kept[best][key]) for key, value in found.items())


def test_several_phases_without_a_watch_are_validated_and_keep_no_best(model_of: Any, tmp_path: Path) -> None:
    model_of("wgan", None)
    training = Training(asked("wgan"), tmp_path / "run")
    assert training.unwatched
    list(training)
    assert not (tmp_path / "run" / "best").exists()
    assert "validation/generator/loss" in Run(tmp_path / "run").log()[-1]
    model_of("wgan", Watch("critic/loss"))
    assert not Training(asked("wgan"), tmp_path / "other").unwatched


def test_a_metric_is_measured_by_fixed_draws(tmp_path: Path) -> None:
    gentk.train(asked("energy"), out=tmp_path / "run")
    rows = [row for row in Run(tmp_path / "run").log() if "validation/radius-error" in row]
    assert [row["step"] for row in rows] == [3, 6, 9, 12]
    assert "validation/loss" in rows[0]
    made = gentk.sample(gentk.load(tmp_path / "run"), 1000, seed=0)["x"].norm(dim=1).mean()
    test = gentk.dataset("ring", split="test", plugin="stranger")
    data = test.batch(some(len(test), 1000).tolist())["x"].norm(dim=1).mean()
    assert rows[-1]["validation/radius-error"] == pytest.approx(abs(float(made - data)), rel=1e-4)
    assert (tmp_path / "run" / "best").exists()


@pytest.mark.parametrize("name", ["critic/los", "fid"])
def test_an_unknown_watch_is_told_before_the_first_round(model_of: Any, tmp_path: Path, name: str) -> None:
    model_of("wgan", Watch(name))
    training = Training(asked("wgan"), tmp_path / "run")
    with pytest.raises(UsageError, match=f"watch = '{name}' is no value of a validation and no metric.*critic/loss") as caught:
        list(training)
    assert "\n" not in str(caught.value)
    assert training.trainer.step == 0


@pytest.mark.parametrize("watch", ["loss", ("loss", "lower"), Watch("loss", "up"), Watch(3)])  # type: ignore[arg-type]
def test_a_watch_of_another_type_is_told(model_of: Any, tmp_path: Path, watch: Any) -> None:
    model_of("wgan", watch)
    with pytest.raises(UsageError, match="watch should be Watch"):
        Training(asked("wgan"), tmp_path / "run")


def test_patience_ends_a_training_also_over_a_resume(model_of: Any, tmp_path: Path) -> None:
    def run(out: Path, *, stop: int | None = None, resume: bool = False) -> Training:
        training = Training(asked("vae", steps=30, patience=2), out, max_steps=stop, resume=resume)
        values = {3: 2.0, 6: 1.0, 9: 5.0, 12: 1.0, 15: 0.0}
        training.trainer.validate = lambda: {"loss": values[training.trainer.step]}  # type: ignore[method-assign]
        list(training)
        return training

    whole = run(tmp_path / "whole")
    assert (whole.trainer.step, whole.stalled) == (12, True)
    assert run(tmp_path / "parts", stop=10).trainer.step == 10
    again = run(tmp_path / "parts", resume=True)
    assert (again.trainer.step, again.best.worth) == (12, 1.0)
    assert run(tmp_path / "parts", resume=True).trainer.step == 12  # it is over, and stays so


def test_metrics_of_a_recipe_are_logged_and_choose_the_best(model_of: Any, tmp_path: Path) -> None:
    model_of("energy", Watch("loss"))
    recipe = asked("energy", evaluate_metrics=["radius-error"], metrics_every=6, metrics_samples=300)
    training = Training(recipe, tmp_path / "run")
    real, worth = training.measuring.scores, {6: 1.0, 12: 2.0}
    told: list[int] = []

    def scores(model: Any) -> Any:
        (score,) = real(model)
        told.append(training.trainer.step)
        return [score.model_copy(update={"value": worth[training.trainer.step], "better": "higher"})]

    training.measuring.scores = scores  # type: ignore[method-assign]
    kept = {progress.step: {k: v.clone() for k, v in training.trainer.averaged.state_dict().items()} for progress in training}
    rows = {row["step"]: row for row in Run(tmp_path / "run").log() if "validation/loss" in row}
    assert told == [6, 12] and [step for step, row in rows.items() if "validation/radius-error" in row] == [6, 12]
    assert (training.best.worth, training.best.stale) == (-2.0, 0), "where more is better, and validations between do not count"
    found = load_file(tmp_path / "run" / "best" / "model.safetensors")
    assert all(torch.equal(value, kept[12][key]) for key, value in found.items())


@pytest.mark.parametrize(("changed", "words"), [
    ({"evaluate_metrics": ["radius-eror"]}, "no metric 'radius-eror'; did you mean"),
    ({"evaluate_metrics": ["radius-error"], "evaluate_every": 0}, "needs a test split and training.evaluate_every"),
])  # fmt: skip
def test_a_metric_that_cannot_be_measured_is_told_before_the_first_round(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    training = Training(asked("energy", **changed), tmp_path / "run")
    with pytest.raises(UsageError, match=words) as caught:
        list(training)
    assert "\n" not in str(caught.value) and training.trainer.step == 0


def test_a_metric_without_a_number_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from gentk_stranger import metrics

    def fails(generated: Any, real: Any) -> float:
        raise ValueError("all of them lie at the origin")

    monkeypatch.setattr(metrics, "radius_error", fails)
    training = Training(asked("energy", evaluate_metrics=["radius-error"]), tmp_path / "run")
    list(training)
    assert training.trainer.step == 12 and "metric 'radius-error' gave no number: ValueError: all of them" in capsys.readouterr().err
    assert not (tmp_path / "run" / "best").exists()


def test_the_loss_picture_has_the_metrics_beside_the_loss() -> None:
    from gentk.plots.curves import MOST, losses, metrics

    rows = [{"step": 2, "loss": 3.0, "kl": 1.0}, {"step": 4, "loss": 2.0, "kl": 1.0, "validation/loss": 2.5, "validation/kl": 1.1,
            "validation/frechet": 9.0, **{f"validation/m{i}": float(i) for i in range(5)}}]  # fmt: skip
    assert metrics(rows) == {"frechet": ([4], [9.0]), "m0": ([4], [0.0]), "m1": ([4], [1.0])} and MOST == 3
    assert set(losses(rows)) == {"loss", "validation"}
