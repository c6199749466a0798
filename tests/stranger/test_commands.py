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


@pytest.fixture(scope="module")
def trained(gentk: Shell) -> dict[str, Path]:
    """Every family, trained by the command: name → run folder."""
    found: dict[str, Path] = {}
    few = ["--set", "training.steps=4", "--set", "training.checkpoint_every=2"]
    for name, family in FAMILIES.items():
        data = ["--dataset", family.data(found)]
        if name == "gmm":
            data = []  # this one by its recipe alone
            chosen = ["--recipe", name]
        else:
            chosen = ["--model", name]
        found[name] = gentk.folder / name
        gentk("train", "--plugin", "stranger", *chosen, *data, *few, "--out", str(found[name]))
    return found


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


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_what_was_trained_is_sampled(gentk: Shell, trained: dict[str, Path], name: str) -> None:
    out = gentk.folder / f"{name}.npz"
    gentk("sample", "--weights", str(trained[name]), "-n", "6", "--seed", "1", "--out", str(out))
    found = arrays(out)
    assert {key: value.shape for key, value in found.items()} == LEAVES[name]
    assert all(np.isfinite(value).all() for value in found.values())
    again = gentk.folder / f"{name}-again.npz"
    gentk("sample", "--weights", str(trained[name]), "-n", "6", "--seed", "1", "--batch-size", "4", "--out", str(again))
    for key, value in arrays(again).items():
        assert np.abs(value.astype(float) - found[key]).max() <= 1e-5


def test_flags_follow_from_the_weights(gentk: Shell, trained: dict[str, Path]) -> None:
    out = gentk.folder / "asked.npz"
    gentk("sample", "--weights", str(trained["latent-flow"]), "-n", "4", "--label", "3,1", "--steps", "3", "--out", str(out))
    assert arrays(out)["cond_label"].tolist() == [3, 1, 3, 1]
    gentk("sample", "--weights", str(trained["chain"]), "-n", "2", "--steps", "2", "--out", str(gentk.folder / "short.npz"))
    assert "--steps" in gentk("sample", "--weights", str(trained["chain"]), "--help")
    assert "--label" not in gentk("sample", "--weights", str(trained["gmm"]), "--help")
    assert "0-3" in gentk("sample", "--weights", str(trained["latent-flow"]), "--label", "4", fails=2)
    assert "LatentPrior" in gentk("sample", "--weights", str(trained["gmm"]), "--sampler", "prior", fails=2)
