"""`gentk sample` as it is typed: its flags, its refusals, its files. One process where possible, as torch takes seconds to load."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import gentk
from gentk.cli import run
from gentk.host.lookup import build_model, sampler
from gentk.protocols import DataSpec, Leaf
from tests.fakes import fake
from tests.running import gentk as process

DATA = DataSpec(
    modality="points",
    leaves={"x": Leaf(shape=(2,))},
    conditions={"label": Leaf(classes=10, names=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"))},
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    torch.manual_seed(0)
    gentk.save(build_model("ddpm", "ddpm-points", {"width": 8, "blocks": 1}, DATA), folder, sampler=sampler("ddim", steps=3))
    return str(folder)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In an empty folder, with room for help texts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    yield


def test_flags_are_those_of_the_weights_and_the_sampler(weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["sample", "--weights", weights, "--help"])
    shown = capsys.readouterr().out
    assert "--label" in shown and "0-9" in shown and "--eta" in shown and "0..1" in shown and "--variance" not in shown
    run(["sample", "--weights", weights, "--sampler", "ancestral", "--help"])
    shown = capsys.readouterr().out
    assert "--variance" in shown and "--eta" not in shown


WRONG = {
    "-n 0": ("greater than or equal to 1", 2),
    "--steps 0": ("greater than or equal to 1", 2),
    "--steps many": ("valid integer", 2),
    "--steps 2.5": ("valid integer", 2),
    "--eta 3": ("less than or equal to 1", 2),
    "--spacing karas": ("karras", 2),
    "--label 10": ("classes are 0-9, got '10'", 2),
    "--label 0-99999999999": ("classes are 0-9", 2),
    "--label thre": ("did you mean 'three'", 2),
    "--labl 3": ("did you mean '--label'", 2),
    "-o stepz=3": ("did you mean 'steps'", 2),
    "-o steps=3 --steps 4": ("steps is given twice", 2),
    "-o steps": ("-o wants key=value", 2),
    "--sampler hein": ("did you mean 'heun'", 2),
    "--sampler prior": ("needs a LatentPrior", 2),
    "--out no/such/folder/a.png": ("there is no folder", 2),
    "--out a.jpeg2": ("did you mean '.png'", 2),
    "--out plain": ("needs a suffix", 2),
    "--trajectory a.png": (".gif", 2),
    "--device tpu": ("device 'tpu' cannot be used", 2),
    "--plugin ddpm": ("--weights names a folder by itself", 2),
    "--spacing karras --sampler heun": ("", 0),
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_said_in_one_line(line: str, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    word, code = WRONG[line]
    assert run(["sample", "--weights", weights, *line.split()]) == code
    err = capsys.readouterr().err
    assert word in err and "Traceback" not in err
    if code:
        first, *rest = err.strip().splitlines()
        assert first.startswith("error: ") and word in first and len(rest) <= 1
        assert not [p for p in Path().iterdir() if p.is_file()]  # refused before any work


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["sample", "--plugin", "dppm"], "did you mean 'ddpm'"),
        (["sample", "--recipe", "mnst"], "did you mean 'mnist'"),
        (["sample", "--model", "ddpm-point"], "did you mean 'ddpm-points'"),
        (["sample", "--weights", "nowhere/at/all"], "nowhere/at/all"),
        (["plot", "data", "mons"], "did you mean 'moons'"),
        (["plot", "data", "moons", "--split", "tset"], "did you mean 'test'"),
        (["plot", "loss", "."], "holds no run"),
        (["train", "--resume", "--out", "nothing"], "holds no run to resume"),
        (["train", "--set", "training.steps=true", "--dry-run"], "should be a number"),
        (["train", "--set", "training.stepz=3", "--dry-run"], "did you mean 'steps'"),
        (["train", "--set", "model.config.chanels=[8]", "--dry-run"], "did you mean 'channels'"),
        (["train", "--dataset", "mist", "--dry-run"], "did you mean 'mnist'"),
        (["train", "--recipe", "mine.toml"], "no recipe file mine.toml"),
        (["inspect", "."], "config.json"),
        (["sampel"], "sample"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_unknown_names_are_met_with_a_suggestion(args: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(args) in (1, 2)
    err = capsys.readouterr().err
    assert word in err and "Traceback" not in err and len(err.strip().splitlines()) <= 2


def test_missing_data_offline_is_one_line(tmp_path: Path) -> None:
    env = {"GENTK_DATA": str(tmp_path / "empty"), "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    failed = process("train", "--recipe", "mnist", "--out", "run", cwd=tmp_path, **env)
    last = failed.stderr.strip().splitlines()[-1]
    assert failed.returncode == 1 and "Traceback" not in failed.stderr and "mnist" in last and "GENTK_DATA" in last


def test_files_of_every_kind(weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "a.csv", "a.npz", "a.safetensors"):
        assert run(["sample", "--weights", weights, "-n", "5", "--label", "three,0-1,none", "--out", name]) == 0
        assert os.path.getsize(name) > 50
    with np.load("a.npz") as file:
        assert file["x"].shape == (5, 2) and file["cond_label"].tolist() == [3, 0, 1, 10, 3]
    assert run(["sample", "--weights", weights, "--trajectory", "way.gif"]) == 0
    assert os.path.getsize("way.gif") > 1000 and Path("tiny-0.png").is_file()
    assert run(["sample", "--weights", weights]) == 0 and Path("tiny-0-1.png").is_file()  # nothing is overwritten unasked


def test_json_says_what_was_done(weights: str) -> None:
    done = process("sample", "--weights", weights, "--steps", "4", "--label", "1", "--json", cwd=Path.cwd())
    said = json.loads(done.stdout)
    assert said["options"]["steps"] == 4 and said["conditions"] == {"label": [1]} and Path(said["file"]).name == "tiny-0.png"


ODD = """
import torch
from pydantic import BaseModel, ConfigDict, Field
from typing import ClassVar
from gentk.protocols import Denoiser, Step
class Odd(BaseModel):
    model_config = ConfigDict(extra="forbid")
    needs: ClassVar[type] = Denoiser
    steps: int = Field(3, ge=1, description="Steps.")
    oddness: float = Field(0.5, gt=0, lt=1, description="How odd.")
    seed: int = Field(7, description="Shadowed.")
    table: list[int] = []
    def __call__(self, model, n, *, noise, cond):
        yield Step(1, 1, noise.normal(*model.data.shape) * self.oddness)
"""


def test_a_strangers_sampler_brings_its_flags(weights: str, tmp_path: Path) -> None:
    hook = "def gentk_samplers():\n    yield SamplerSpec('odd', 'gentk_odd.sampler:Odd')\n"
    plugin = f"from gentk.host import SamplerSpec, hookimpl\n@hookimpl\n{hook}"
    fake(tmp_path, "gentk-odd", "odd", plugin)
    (tmp_path / "gentk_odd" / "sampler.py").write_text(ODD)
    shown = process("sample", "--weights", weights, "--sampler", "odd", "--help", site=tmp_path, COLUMNS="120").stdout
    assert "--oddness" in shown and "0..1" in shown and shown.count("--seed") == 1 and "--table" not in shown
    done = process(
        *("sample", "-w", weights, "-s", "odd", "--oddness", ".25", "-o", "seed=4", "-o", "table=[1, 2]", "--json"),
        *("--out", str(tmp_path / "a.npz")),
        site=tmp_path,
    )  # fmt: skip
    options = json.loads(done.stdout)["options"]
    assert options == {"steps": 3, "oddness": 0.25, "seed": 4, "table": [1, 2]}
