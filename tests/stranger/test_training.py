"""What a training tells, of a model with two phases and of one whose loss differentiates, in either precision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gentk.plots.curves import losses
from gentk.runs import Run
from gentk.training import state

from .families import FAMILIES, train
from .test_commands import Command, gentk

__all__ = ["gentk"]
pytestmark = pytest.mark.usefixtures("stranger")
OFTEN = {"steps": 14, "evaluate_every": 4, "log_every": 3, "checkpoint_every": 5, "precision": "auto"}
CURVES = {
    "wgan": {"critic/loss", "generator/loss", "validation/critic", "validation/generator"},
    "energy": {"loss", "validation"},
    "vae": {"loss", "validation"},
}


def everything(folder: Path) -> dict[str, Any]:
    checkpoint = state.latest(folder / "state")
    assert checkpoint is not None
    _, tensors, numbers = state.read(checkpoint)
    saved = {f"{name}/{key}": value for name, group in tensors.items() for key, value in group.items()}
    return {**saved, "numbers": {key: value for key, value in numbers.items() if key != "files"}}


def rows(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in ("steps_per_second", "peak_memory_mb")} for row in Run(folder).log()]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", sorted(CURVES))
def test_training_validates_keeps_the_best_draws_every_curve_and_resumes(
    name: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENTK_PRECISION", precision)
    whole = train(FAMILIES[name], tmp_path / "whole", {}, **OFTEN)
    assert json.loads((whole / "run.json").read_text())["precision"] == precision
    assert losses(Run(whole).log()).keys() == CURVES[name]
    assert (whole / "loss.png").is_file()
    assert load_file(whole / "best" / "model.safetensors").keys() == load_file(whole / "model.safetensors").keys()
    train(FAMILIES[name], tmp_path / "parts", {}, go={"max_steps": 7}, **OFTEN)
    torch.rand(3)
    train(FAMILIES[name], tmp_path / "parts", {}, go={"resume": True}, **OFTEN)
    expected, found = everything(whole), everything(tmp_path / "parts")
    assert expected.pop("numbers") == found.pop("numbers")
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[key]) for key, value in expected.items())
    assert rows(tmp_path / "parts") == rows(whole)
    best = [load_file(folder / "best" / "model.safetensors") for folder in (whole, tmp_path / "parts")]
    assert all(torch.equal(value, best[1][key]) for key, value in best[0].items())


def test_the_command_says_how_it_computes_and_what_it_took(gentk: Command, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gentk.cli import run

    monkeypatch.setenv("GENTK_PRECISION", "bfloat16")
    asked = ["--plugin", "stranger", "--recipe", "wgan", "--set", "training.steps=4", "--out"]
    assert run(["train", *asked, "run"]) == 0
    said, told = capfd.readouterr()
    assert "computes in bfloat16 on cpu, 1 thread\n" in told
    assert "no best/" not in told
    assert "MB of memory at most" in " ".join(said.split())
    monkeypatch.setenv("GENTK_PRECISION", "half")
    assert "GENTK_PRECISION='half' is no precision" in gentk("train", *asked, "other", fails=2)


def test_the_command_says_that_no_best_is_kept(gentk: Command, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gentk.cli import run
    from gentk_stranger.adversarial import Adversarial

    monkeypatch.delattr(Adversarial, "watch")
    often = ("--set", "training.steps=4", "--set", "training.evaluate_every=2")
    assert run(["train", "--plugin", "stranger", "--recipe", "wgan", *often, "--out", "run"]) == 0
    assert "no best/: Adversarial has several phases and no `watch`" in capfd.readouterr().err


def test_lines_show_the_last_value_of_every_phase_and_the_time_left(capfd: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from gentk.cli import view

    now = iter([0.0, 60.0, *(60.0 + 2 * k for k in range(1, 5))])  # a start-up of a minute, then two seconds a round
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    with view.view("run", 20, tmp_path) as show:
        for step in range(1, 6):
            show(step, {"critic/loss": float(step), **({"generator/loss": 0.5} if step == 1 else {})})
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == "run: step 4/20 critic/loss=4 generator/loss=0.5 0.5 it/s 0:00:32 left"
