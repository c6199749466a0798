"""The commands, over a plugin that the core has never heard of. Each runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .families import FAMILIES


class Shell:
    """`gentk …` in one folder."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment

    def __call__(self, *words: str, fails: int = 0) -> str:
        command = [sys.executable, "-m", "gentk", *words]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == fails, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stderr if fails else done.stdout


@pytest.fixture(scope="module")
def gentk(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Shell:
    return Shell(tmp_path_factory.mktemp("shell"), environment)


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as file:
        return dict(file)


def test_models_are_listed(gentk: Shell) -> None:
    listed = json.dumps(json.loads(gentk("models", "--json")))
    assert all(f'"{name}"' in listed for name in FAMILIES)
    assert '"stranger"' in listed


LEAVES = {
    "gmm": {"x": (6, 2)},
    "wgan": {"x": (6, 2), "cond_label": (6,)},
    "counter": {"x": (6, 16), "length": (6,)},
    "chain": {"types": (6, 6), "bonds": (6, 6, 6), "pos": (6, 6, 3), "mask": (6, 6)},
    "vae": {"x": (6, 1, 8, 8)},
    "latent-flow": {"x": (6, 1, 8, 8), "cond_label": (6,)},
}


FEW = ("--set", "training.steps=4", "--set", "training.checkpoint_every=2")


def test_a_recipe_is_trained_and_sampled(gentk: Shell) -> None:
    gentk("train", "--plugin", "stranger", "--recipe", "gmm", *FEW, "--out", "mixture")
    gentk("sample", "--weights", "mixture", "-n", "6", "--out", "mixture.npz")
    assert arrays(gentk.folder / "mixture.npz")["x"].shape == (6, 2)


def test_a_model_is_trained_on_the_codes_of_another(gentk: Shell, runs: dict[str, Path]) -> None:
    gentk("train", "--plugin", "stranger", "--model", "latent-flow", "--dataset", f"codes:{runs['vae']}", *FEW, "--out", "flow")
    gentk("sample", "--weights", "flow", "-n", "6", "--out", "flow.npz")
    assert arrays(gentk.folder / "flow.npz")["x"].shape == (6, 1, 8, 8)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_command_draws_what_python_draws(gentk: Shell, stranger: None, runs: dict[str, Path], name: str) -> None:
    from gentk import load, sample

    gentk("sample", "--weights", str(runs[name]), "-n", "6", "--seed", "1", "--batch-size", "4", "--out", f"{name}.npz")
    found = arrays(gentk.folder / f"{name}.npz")
    assert {key: value.shape for key, value in found.items()} == LEAVES[name]
    here = sample(load(runs[name]), 6, seed=1).batch
    for key, value in found.items():
        assert np.abs(value.astype(float) - here[key.removeprefix("cond_")].numpy()).max() <= 1e-5


def test_flags_follow_from_the_weights(gentk: Shell, runs: dict[str, Path]) -> None:
    flow, chain, mixture = (str(runs[name]) for name in ("latent-flow", "chain", "gmm"))
    gentk("sample", "--weights", flow, "-n", "4", "--label", "3,1", "--steps", "3", "--out", "asked.npz")
    assert arrays(gentk.folder / "asked.npz")["cond_label"].tolist() == [3, 1, 3, 1]
    assert "--steps" in gentk("sample", "--weights", chain, "--help")
    assert "--label" not in gentk("sample", "--weights", mixture, "--help")
    assert "0-3" in gentk("sample", "--weights", flow, "--label", "4", fails=2)
    assert "LatentPrior" in gentk("sample", "--weights", mixture, "--sampler", "prior", "--out", "no.npz", fails=2)
