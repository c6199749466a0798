"""gentk-stranger is what a stranger would write: light where it must be, public names only, on any device."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from .families import FAMILIES, recipe

PACKAGE = Path(__file__).parent / "gentk_stranger"


def test_its_listings_and_configs_need_no_torch(environment: dict[str, str]) -> None:
    light = "gentk_stranger.plugin, gentk_stranger.config, gentk_stranger.joint"
    code = f"import sys, {light}; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_it_imports_public_names_of_gentk_only() -> None:
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gentk."):
                names = [*str(node.module).split("."), *(alias.name for alias in node.names)]
                assert not any(name.startswith("_") for name in names), f"{path.name}: {names}"
        assert len(path.read_text().splitlines()) < 200


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "latent-flow"])
def test_its_models_build_without_memory(stranger: None, name: str) -> None:
    from gentk.host.lookup import build_model, dataset

    made = recipe(FAMILIES[name], {})
    data = dataset(made.dataset.name, "train", made.dataset.options, "stranger")
    with torch.device("meta"):
        model = build_model("stranger", name, made.model.config, data.spec)
    assert all(tensor.is_meta for tensor in model.state_dict().values())


@pytest.mark.parametrize("name", ["ring", "counting", "chains", "tiles"])
def test_its_examples_are_functions_of_their_index(stranger: None, name: str) -> None:
    from gentk.host.lookup import dataset

    data = dataset(name, "train", {}, "stranger")
    batch = data.batch([5, 0, 900])
    for key, leaf in {**data.spec.leaves, **data.spec.conditions}.items():
        assert batch[key].shape == (3, *leaf.shape)
        assert torch.equal(batch[key][2], data[900][key])
        assert batch[key].dtype == (torch.int64 if leaf.classes else torch.float32)
        if leaf.classes:
            assert 0 <= int(batch[key].min()) <= int(batch[key].max()) < leaf.classes
    other = dataset(name, "test", {}, "stranger").batch([5, 0, 900])
    floats = [key for key in batch if batch[key].is_floating_point()]
    assert all(not torch.equal(batch[key], other[key]) for key in floats)
