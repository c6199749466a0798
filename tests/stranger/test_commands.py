"""The commands, over a plugin that the core has never heard of. The first run in processes of their own, the rest in this one: a
process pays seconds for importing torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .families import FAMILIES

Command = Callable[..., str]
FEW = ("--set", "training.steps=4", "--set", "training.checkpoint_every=2")


@pytest.fixture
def process(tmp_path: Path, environment: dict[str, str]) -> Command:
    """`gentk WORDS` in a process of its own → stdout."""

    def call(*words: str) -> str:
        command = [sys.executable, "-m", "gentk", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return call


@pytest.fixture
def gentk(stranger: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """`gentk WORDS` in this process, in an empty folder → stdout; `fails`: the exit code that is expected → stderr."""
    from gentk.cli import run

    monkeypatch.chdir(tmp_path)

    def call(*words: str, fails: int = 0) -> str:
        capfd.readouterr()
        code = run(list(words))
        said, told = capfd.readouterr()
        assert code == fails, f"{' '.join(words)}\n{said}\n{told}"
        return told if fails else said

    return call


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as file:
        return dict(file)


def test_models_are_listed(process: Command) -> None:
    listed = json.dumps(json.loads(process("models", "--json")))
    assert all(f'"{name}"' in listed for name in FAMILIES)
    assert '"stranger"' in listed


def test_a_recipe_is_trained_and_sampled(process: Command, tmp_path: Path) -> None:
    process("train", "--plugin", "stranger", "--recipe", "gmm", *FEW, "--out", "mixture")
    process("sample", "--weights", "mixture", "-n", "6", "--out", "mixture.npz")
    assert arrays(tmp_path / "mixture.npz")["x"].shape == (6, 2)


LEAVES = {
    "gmm": {"x": (6, 2)},
    "wgan": {"x": (6, 2), "cond_label": (6,)},
    "energy": {"x": (6, 2)},
    "counter": {"x": (6, 16), "length": (6,)},
    "chain": {"types": (6, 6), "bonds": (6, 6, 6), "pos": (6, 6, 3), "mask": (6, 6)},
    "vae": {"x": (6, 1, 8, 8)},
    "latent-flow": {"x": (6, 1, 8, 8), "cond_label": (6,)},
}


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_model_is_trained_and_sampled(gentk: Command, runs: dict[str, Path], name: str) -> None:
    data = FAMILIES[name].data(runs)
    gentk("train", "--plugin", "stranger", "--model", name, "--dataset", data, *FEW, "--out", "run")
    gentk("sample", "--weights", "run", "-n", "6", "--out", "drawn.npz")
    assert {key: value.shape for key, value in arrays(Path("drawn.npz")).items()} == LEAVES[name]


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_command_draws_what_python_draws(gentk: Command, runs: dict[str, Path], name: str) -> None:
    from gentk import load, sample

    gentk("sample", "--weights", str(runs[name]), "-n", "6", "--seed", "1", "--batch-size", "4", "--out", "drawn.npz")
    here = sample(load(runs[name]), 6, seed=1).batch
    for key, value in arrays(Path("drawn.npz")).items():
        assert np.abs(value.astype(float) - here[key.removeprefix("cond_")].numpy()).max() <= 1e-5


def test_flags_follow_from_the_weights(gentk: Command, runs: dict[str, Path]) -> None:
    flow, chain, mixture = (str(runs[name]) for name in ("latent-flow", "chain", "gmm"))
    gentk("sample", "--weights", flow, "-n", "4", "--label", "3,1", "--steps", "3", "--out", "asked.npz")
    assert arrays(Path("asked.npz"))["cond_label"].tolist() == [3, 1, 3, 1]
    assert "--steps" in gentk("sample", "--weights", chain, "--help")
    assert "--label" not in gentk("sample", "--weights", mixture, "--help")
    assert "0-3" in gentk("sample", "--weights", flow, "--label", "4", fails=2)
    assert "LatentPrior" in gentk("sample", "--weights", mixture, "--sampler", "prior", "--out", "no.npz", fails=2)
