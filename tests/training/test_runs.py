"""A run's folder: killed anywhere it goes on as if nothing had been; stopped by a signal it has saved."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import gentk
from gentk.errors import Interrupted, UsageError
from gentk.runs import Run
from gentk.training import Training, state

from .killed import MOMENTS, die_at, recipe, run
from .processes import start


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def everything(folder: Path) -> dict[str, Tensor]:
    """All that a run ends with: weights, averages, optimizers."""
    checkpoint = state.latest(folder / "state")
    assert checkpoint is not None
    tensors = state.read(checkpoint).tensors
    saved = {f"{name}/{key}": value for name, group in tensors.items() for key, value in group.items()}
    return {**saved, **{f"shared/{key}": value for key, value in weights(folder).items()}}


def rows(folder: Path) -> list[dict[str, Any]]:
    """The log, without how fast it went and what else the process holds in memory."""
    return [{k: v for k, v in row.items() if k not in ("steps_per_second", "peak_memory_mb")} for row in Run(folder).log()]


@pytest.fixture(scope="module")
def straight(stranger: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing interrupts."""
    return gentk.train(recipe(), out=tmp_path_factory.mktemp("straight") / "run").folder


@pytest.mark.usefixtures("stranger")
def test_a_picture_that_cannot_be_drawn_does_not_end_the_training(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gentk.training.run.preview", lambda *args: 1 / 0)
    made = recipe()
    made.training.preview_every = 5
    done = gentk.train(made, out=tmp_path / "run").folder
    assert "no preview at step 5: ZeroDivisionError" in capsys.readouterr().err
    assert all(torch.equal(value, weights(straight)[name]) for name, value in weights(done).items())


@pytest.fixture(scope="module")
def killed(stranger: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """moment → what kill -9 left."""
    folder = tmp_path_factory.mktemp("killed")
    found = {moment: folder / str(i) for i, moment in enumerate(MOMENTS)}
    for moment, process in [(moment, start(die_at, found[moment], moment)) for moment in MOMENTS]:
        process.join(120)
        assert process.exitcode == -signal.SIGKILL, moment
    return found


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_ends_as_one_that_was_not(moment: str, straight: Path, killed: dict[str, Path]) -> None:
    folder = killed[moment]
    torch.manual_seed(99)
    gentk.train(recipe(), out=folder, resume=True)
    expected, found = everything(straight), everything(folder)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert rows(folder) == rows(straight)
    assert [path.name for path in sorted((folder / "state").iterdir())] == ["step-00000015", "step-00000020"]


def test_the_log_has_each_round_once(straight: Path) -> None:
    assert [row["step"] for row in rows(straight)] == list(range(1, 21))
    assert "steps_per_second" in Run(straight).log()[0]


def test_a_run_is_weights_and_keeps_what_it_was_made_from(straight: Path) -> None:
    assert len(gentk.sample(gentk.load(straight), 4)) == 4
    from gentk.host.lookup import recipe as resolve

    assert resolve("stranger", str(straight / "recipe.toml"), []) == recipe()
    assert (straight / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_resuming_a_run_that_is_done_changes_nothing(straight: Path, tmp_path: Path) -> None:
    before = everything(straight)
    gentk.train(recipe(), out=straight, resume=True)
    assert all(torch.equal(before[name], value) for name, value in everything(straight).items())
    assert [row["step"] for row in rows(straight)] == list(range(1, 21))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_then_stops(number: signal.Signals, straight: Path, tmp_path: Path) -> None:
    def send(progress: Any) -> None:
        if progress.step == 7:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="step 7 of 20, saved; go on with: gentk train --resume --out") as caught:
        gentk.train(recipe(), out=tmp_path / "run", on_progress=send)
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) == before
    assert state.latest(tmp_path / "run" / "state") == tmp_path / "run" / "state" / "step-00000007"
    assert weights(tmp_path / "run").keys() == weights(straight).keys()
    gentk.train(recipe(), out=tmp_path / "run", resume=True)
    assert all(torch.equal(value, everything(straight)[name]) for name, value in everything(tmp_path / "run").items())


def test_a_run_killed_from_outside_at_any_moment(straight: Path, tmp_path: Path) -> None:
    """Three times, after at least one more round; where exactly is left to chance. Then it is left alone."""
    folder = tmp_path / "run"
    for k in range(4):
        began = len(Run(folder).log())
        process = start(run, folder, k > 0)
        while k < 3 and process.is_alive() and len(Run(folder).log()) in (0, began):
            time.sleep(0.001)
        if k < 3:
            process.kill()
        process.join(120)
        assert process.exitcode in ((0, -signal.SIGKILL) if k < 3 else (0,))
    assert all(torch.equal(value, everything(straight)[name]) for name, value in everything(folder).items())
    assert rows(folder) == rows(straight)


def test_a_taken_folder_and_a_missing_run_are_refused(stranger: None, straight: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not empty: choose another --out, or --resume"):
        gentk.train(recipe(), out=straight)
    with pytest.raises(UsageError, match="holds no run to resume"):
        gentk.train(recipe(), out=tmp_path, resume=True)


def test_init_starts_from_weights_even_when_killed_at_once(straight: Path, tmp_path: Path) -> None:
    started = Training(recipe(), tmp_path / "a", init=straight)
    shared = weights(straight)
    own = started.trainer.model.state_dict()
    assert all(torch.equal(own[name], value) for name, value in shared.items())
    started.close()
    resumed = Training(recipe(), tmp_path / "a", resume=True)  # nothing was trained, nothing saved by a round
    assert all(torch.equal(resumed.trainer.model.state_dict()[name], value) for name, value in own.items())


def test_the_best_by_validation_is_kept(stranger: None, tmp_path: Path) -> None:
    """Of a model with one loss, the weights of its best validation; later, worse ones do not replace them."""
    from tests.stranger.families import FAMILIES
    from tests.stranger.families import recipe as of

    asked = of(FAMILIES["vae"], {}, steps=12, evaluate_every=4, log_every=4)
    training = Training(asked, tmp_path / "run")
    losses = iter([3.0, 1.0, 2.0])
    training.trainer.validate = lambda: {"loss": next(losses)}  # type: ignore[method-assign]
    kept: dict[int, dict[str, Tensor]] = {}
    for progress in training:
        kept[progress.step] = {k: v.clone() for k, v in training.trainer.averaged.state_dict().items()}
    best = load_file(tmp_path / "run" / "best" / "model.safetensors")
    assert all(torch.equal(value, kept[8][name]) for name, value in best.items())
    assert any(not torch.equal(value, kept[12][name]) for name, value in best.items())
    assert [row["validation/loss"] for row in Run(tmp_path / "run").log()] == [3.0, 1.0, 2.0]
    numbers = json.loads((tmp_path / "run" / "state" / "step-00000012" / "state.json").read_text())
    assert numbers["best"] == 1.0
