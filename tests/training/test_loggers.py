"""`--logger`: the rows of log.jsonl reach other libraries once each, and change nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import gentk
from gentk.cli import run as typed
from gentk.distributed import Ranks
from gentk.errors import GentkError, UsageError
from gentk.runs import Run
from gentk.training import Training, state
from gentk.training.loggers import Loggers

from .killed import recipe

pytestmark = pytest.mark.usefixtures("stranger")
TIMED = ("steps_per_second", "peak_memory_mb")


@pytest.fixture(autouse=True)
def no_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss picture takes longer than the rounds."""
    monkeypatch.setattr("gentk.training.run.loss_picture", lambda run: None)


def sparse(**changes: Any) -> Any:
    """20 rounds, a row for every second one, states after 4, 8 …: stopped after 11 it goes on from 8, and row 10 comes again."""
    made = recipe()
    for name, value in {"log_every": 2, "checkpoint_every": 4, "preview_every": 0, **changes}.items():
        setattr(made.training, name, value)
    return made


def broken_off(folder: Path, loggers: list[Any]) -> Training:
    """A run that ends after round 11 without being saved or closed, as if killed."""
    training = Training(sparse(), folder, loggers=loggers)
    for progress in training:
        if progress.step == 11:
            break
    return training


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.pictures: list[tuple[int, Path]] = []
        self.closed = 0

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.rows.append((step, dict(values)))

    def picture(self, step: int, path: Path) -> None:
        self.pictures.append((step, path))

    def close(self) -> None:
        self.closed += 1


def log_of(folder: Path) -> list[tuple[int, dict[str, float]]]:
    return [(row.pop("step"), row) for row in Run(folder).log()]


def untimed(rows: Sequence[tuple[int, Mapping[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
    return [(step, {name: value for name, value in row.items() if name not in TIMED}) for step, row in rows]


def everything(folder: Path) -> dict[str, torch.Tensor]:
    """All that a run ends with: weights, averages, optimizers."""
    checkpoint = state.latest(folder / "state")
    assert checkpoint is not None
    return {f"{name}/{key}": value for name, group in state.read(checkpoint).tensors.items() for key, value in group.items()}


# ---------------------------------------------------------------- any logger
def test_a_logger_gets_the_rows_of_the_log_and_is_closed_once(tmp_path: Path) -> None:
    heard = Heard()
    gentk.train(sparse(preview_every=8), out=tmp_path / "run", loggers=["jsonl", heard, heard])
    assert heard.rows == log_of(tmp_path / "run") and [step for step, _ in heard.rows] == list(range(2, 21, 2))
    assert any(name.startswith("validation/") for _, values in heard.rows for name in values)
    assert all(type(value) in (int, float) for _, values in heard.rows for value in values.values())  # on the host
    assert [(step, path.is_file()) for step, path in heard.pictures] == [(8, True), (16, True), (20, True)]
    assert heard.closed == 1


def test_with_loggers_a_run_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    gentk.train(sparse(), out=tmp_path / "alone")
    gentk.train(sparse(), out=tmp_path / "logged", loggers=["tensorboard", Heard()])
    alone, logged = everything(tmp_path / "alone"), everything(tmp_path / "logged")
    assert alone.keys() == logged.keys() and all(torch.equal(alone[name], logged[name]) for name in alone)
    assert untimed(log_of(tmp_path / "alone")) == untimed(log_of(tmp_path / "logged"))


def test_a_logger_that_fails_is_left_out_and_the_training_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Full(Heard):
        def log(self, step: int, values: Mapping[str, float]) -> None:
            super().log(step, values)
            if step == 4:
                raise OSError("no space left")

    full, sound = Full(), Heard()
    gentk.train(sparse(), out=tmp_path / "run", loggers=[full, sound])
    assert [step for step, _ in full.rows] == [2, 4] and len(sound.rows) == 10
    said = [line for line in capsys.readouterr().err.splitlines() if "logger" in line]
    assert len(said) == 1 and "logger Full failed at step 4: OSError: no space left" in said[0] and "goes on without it" in said[0]


def test_only_rank_0_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Second(Ranks):
        first = property(lambda self: False)  # type: ignore[assignment]

    heard = Heard()
    monkeypatch.setattr("gentk.training.run.Ranks", Second)
    gentk.train(sparse(), out=tmp_path / "run", loggers=["tensorboard", heard])
    assert not heard.rows and not (tmp_path / "run").exists()


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize("package", ["tensorboard", "wandb"])
def test_a_missing_package_is_told_in_one_line_before_anything_begins(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"logger {package} needs the package {package}: uv pip install 'gentk-core\[{package}\]'"):
        gentk.train(sparse(), out=tmp_path / "run", loggers=[package])
    monkeypatch.chdir(tmp_path)
    assert typed(["train", "--plugin", "nobody", "--logger", "jsonl", "--logger", package]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"error: logger {package} needs") and "\n" not in said and not list(tmp_path.iterdir())


def test_a_folder_of_that_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a run of wandb was made before, the current folder has one."""
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    (tmp_path / "wandb").mkdir()
    with pytest.raises(UsageError, match="needs the package wandb"):
        Loggers(["wandb"])


def test_a_slip_of_the_pen_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(["train", "--logger", "tensorbord"]) == 2
    assert "no logger 'tensorbord'; did you mean 'tensorboard'?" in capsys.readouterr().err


def test_a_logger_that_cannot_start_ends_the_training_before_it_begins(tmp_path: Path) -> None:
    run = tmp_path / "run"
    gentk.train(sparse(), out=run, max_steps=5)
    (run / "tensorboard").write_text("a file")
    with pytest.raises(GentkError, match=r"logger tensorboard does not start: .*; train without it"):
        gentk.train(sparse(), out=run, resume=True, loggers=["tensorboard"])
    gentk.train(sparse(), out=run, resume=True)  # the folder is not held


# ---------------------------------------------------------------- tensorboard
def events(folder: Path) -> Any:
    """The event files of a run as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def scalars(folder: Path) -> dict[tuple[str, int], list[float]]:
    found = events(folder)
    made: dict[tuple[str, int], list[float]] = {}
    for name in found.Tags()["scalars"]:
        for event in found.Scalars(name):
            made.setdefault((name, event.step), []).append(event.value)
    return made


def wanted(folder: Path) -> dict[tuple[str, int], Any]:
    return {(name, step): pytest.approx([value], rel=1e-6) for step, row in log_of(folder) for name, value in row.items()}


def test_tensorboard_reads_what_the_log_says(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    before = time.time()
    gentk.train(sparse(preview_every=10), out=tmp_path / "run", loggers=["tensorboard"])
    assert scalars(tmp_path / "run") == wanted(tmp_path / "run")
    found = events(tmp_path / "run")
    assert all(before <= event.wall_time <= time.time() for event in found.Scalars("critic/loss"))
    from PIL import Image

    with Image.open(tmp_path / "run" / "samples" / "step-00000020.png") as picture:
        assert [(e.step, e.width, e.height) for e in found.Images("preview")] == [(k, *picture.size) for k in (10, 20)]


def test_tensorboard_of_a_killed_and_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    training = broken_off(tmp_path / "run", ["tensorboard"])
    assert max(step for _, step in scalars(tmp_path / "run")) == 10  # not closed, and nothing is lost
    training._claim.close()  # type: ignore[union-attr]
    gentk.train(sparse(), out=tmp_path / "run", resume=True, loggers=["tensorboard"])
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 2
    assert scalars(tmp_path / "run") == wanted(tmp_path / "run")
    assert log_of(tmp_path / "run")[-1][0] == 20


# ---------------------------------------------------------------- wandb
class StandIn(ModuleType):
    """What wandb does with steps: the values of one are joined, sent when a later one begins or the run ends, and each is taken once."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.begun: list[dict[str, Any]] = []
        self.sent: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.Image = lambda path: ("image", path)

    def init(self, **about: Any) -> Any:
        self.begun.append(about)
        return Begun(self.sent.setdefault(about["id"], []))


class Begun:
    def __init__(self, sent: list[tuple[int, dict[str, Any]]]) -> None:
        self.sent, self.waiting = sent, dict[int, dict[str, Any]]()

    def log(self, values: dict[str, Any], step: int) -> None:
        if step not in self.waiting:
            self.finish()
        assert not self.sent or step > self.sent[-1][0], f"step {step} is doubled, or comes too late"
        self.waiting.setdefault(step, {}).update(values)

    def finish(self) -> None:
        self.sent += self.waiting.items()
        self.waiting = {}


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setitem(sys.modules, "wandb", made)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    return made


def test_wandb_gets_the_recipe_and_every_row(wandb: StandIn, tmp_path: Path) -> None:
    run = tmp_path / "mine"
    gentk.train(sparse(preview_every=5), out=run, loggers=["wandb"])
    (about,) = wandb.begun
    assert (about["project"], about["name"], about["dir"], about["resume"]) == ("gentk", "mine", str(run), "allow")
    assert about["config"]["training"]["steps"] == 20 and about["config"]["model"]["plugin"] == "stranger"
    (sent,) = wandb.sent.values()
    previews = {step: values.pop("preview") for step, values in sent if "preview" in values}
    assert previews == {step: ("image", str(run / f"samples/step-{step:08d}.png")) for step in (5, 10, 15, 20)}
    assert [row for row in sent if row[1]] == log_of(run)
    assert json.loads((run / "wandb.json").read_text()) == {"id": about["id"], "step": 20}


def test_wandb_goes_on_with_its_run_and_takes_each_step_once(wandb: StandIn, tmp_path: Path) -> None:
    training = broken_off(tmp_path / "run", ["wandb"])
    assert [step for step, _ in wandb.sent[wandb.begun[0]["id"]]] == [2, 4, 6, 8]  # 10 was waiting, and is lost with the process
    training._claim.close()  # type: ignore[union-attr]
    gentk.train(sparse(), out=tmp_path / "run", resume=True, max_steps=14, loggers=["wandb"])
    gentk.train(sparse(), out=tmp_path / "run", resume=True, loggers=["wandb"])
    ((name, sent),) = wandb.sent.items()
    assert [about["id"] for about in wandb.begun] == [name] * 3
    assert untimed(sent) == untimed(log_of(tmp_path / "run"))


def test_wandb_that_is_not_logged_in_is_told_in_one_line(wandb: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**about: Any) -> None:
        raise RuntimeError("api_key not configured (no-tty)")

    monkeypatch.setattr(wandb, "init", refused)
    with pytest.raises(GentkError, match=r"logger wandb: .*api_key not configured.*; log in with 'wandb login'"):
        gentk.train(sparse(), out=tmp_path / "run", loggers=["wandb"])


def test_a_damaged_wandb_json_is_told(wandb: StandIn, tmp_path: Path) -> None:
    gentk.train(sparse(), out=tmp_path / "run", max_steps=5, loggers=["wandb"])
    for text in ("{", '{"id": "a/b", "step": 1}', '{"id": "ab", "step": "1"}', "[]"):
        (tmp_path / "run" / "wandb.json").write_text(text)
        with pytest.raises(UsageError, match=r"logger wandb: .*wandb.json does not name the run"):
            gentk.train(sparse(), out=tmp_path / "run", resume=True, loggers=["wandb"])
