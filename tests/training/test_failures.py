"""Whatever fails in a training, the last completed round is saved first, and the message says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gentk
from gentk.errors import GentkError
from gentk.training import Trainer, Training, state

from .killed import recipe
from .test_runs import everything, rows
from .toys import Duel, Rows, settings

pytestmark = pytest.mark.usefixtures("stranger")


@pytest.fixture(scope="module")
def straight(stranger: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gentk.train(recipe(), out=tmp_path_factory.mktemp("straight") / "run").folder


def bomb(patch: pytest.MonkeyPatch, training: Any, place: str, blow: Callable[[], Any]) -> None:
    """Fails in round 7 (of the last phase to run), or in what comes after it."""
    trainer = training.trainer
    kind = type(trainer.model)
    loss = kind.loss

    def broken(self: Any, batch: Any, phase: str, k: int) -> Any:
        out = loss(self, batch, phase, k)
        if self is trainer.model and k == 6 and phase == "generator":
            if place == "loss":
                blow()
            if place == "nan":
                out = {**out, "loss": out["loss"] * float("nan")}
        return out

    patch.setattr(kind, "loss", broken)
    if place == "data":
        fetch = trainer._fetch
        trainer._fetch = lambda step: blow() if step == 6 else fetch(step)


@pytest.mark.parametrize("place", ["loss", "nan", "data"])
def test_the_last_completed_round_is_saved_and_goes_on_to_the_bit(
    place: str, straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(recipe(), tmp_path / "run")
    bomb(monkeypatch, training, place, lambda: 1 / 0)
    with pytest.raises(GentkError, match=r"; step 6 is saved, go on with: gentk train --resume --out \S+run") as caught:
        list(training)
    assert "\n" not in str(caught.value)
    assert ("ZeroDivisionError" in str(caught.value)) == (place != "nan")
    assert str(caught.value).count("saved") == 1
    if place != "data":
        assert "phase 'generator'" in str(caught.value)
    checkpoint = state.latest(tmp_path / "run" / "state")
    assert checkpoint is not None and checkpoint.name == "step-00000006"
    monkeypatch.undo()
    gentk.train(recipe(), out=tmp_path / "run", resume=True)
    expected, found = everything(straight), everything(tmp_path / "run")
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert rows(tmp_path / "run") == rows(straight)


def test_a_keyboard_interrupt_saves_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    training = Training(recipe(), tmp_path / "run")
    bomb(monkeypatch, training, "loss", stop)
    with pytest.raises(KeyboardInterrupt):
        list(training)
    assert (tmp_path / "run" / "state" / "step-00000006").is_dir()


def test_an_error_in_validation_saves_the_round_before_it(tmp_path: Path) -> None:
    training = Training(recipe(), tmp_path / "run")
    real = training.trainer.validate

    def broken() -> Any:
        return real() if training.trainer.step < 8 else 1 / 0

    training._try_watch = lambda: None  # type: ignore[method-assign]
    training.trainer.validate = broken  # type: ignore[method-assign]
    with pytest.raises(GentkError, match=r"ZeroDivisionError: division by zero.*; step 8 is saved"):
        list(training)
    assert (tmp_path / "run" / "state" / "step-00000008").is_dir()


def test_nothing_is_said_to_be_saved_before_the_first_round(tmp_path: Path) -> None:
    training = Training(recipe(), tmp_path / "run")
    training.trainer._fetch = lambda step: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        list(training)
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize("step", [7, 10])
def test_weights_that_are_no_numbers_never_replace_good_ones(step: int, tmp_path: Path) -> None:
    training = Training(recipe(), tmp_path / "run")
    made = training.trainer._round

    def spoilt() -> dict[str, float]:
        logs = made()
        if training.trainer.step + 1 == step:
            with torch.no_grad():
                next(training.trainer.model.generator.parameters()).fill_(float("inf"))
        return logs

    training.trainer._round = spoilt  # type: ignore[method-assign]
    with pytest.raises(GentkError, match=r"; the last saved state is kept, go on with: gentk train --resume"):
        list(training)
    assert [path.name for path in (tmp_path / "run" / "state").iterdir()] == ["step-00000005"]
    assert all(value.isfinite().all() for value in everything(tmp_path / "run").values())


def test_a_round_that_fails_leaves_no_phase_half_done() -> None:
    """The critic's step is taken back where the body's loss fails, and so is what `after` and a loss wrote."""

    class Broken(Duel):
        def after(self, phase: str, step: int, sums: Any) -> None:
            super().after(phase, step, sums)
            if phase == "body" and step == 3:
                raise RuntimeError("late")

    model = Broken()
    trainer = Trainer(model, Rows(), settings(accumulate=2))
    with pytest.raises(RuntimeError, match="late"):
        for progress in trainer.rounds():
            if progress.step == 3:
                tensors, _ = trainer.state()
                before = {f"{g}/{n}": t.clone() for g, part in tensors.items() for n, t in part.items()}
    tensors, _ = trainer.state()
    after = {f"{g}/{n}": t for g, part in tensors.items() for n, t in part.items()}
    assert before.keys() == after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert all(p.grad is None for p in model.parameters())
