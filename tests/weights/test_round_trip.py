"""What is saved is what is loaded, and nothing is lost on the way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import gentk
from gentk.errors import GentkError
from gentk.host.lookup import build_model, sampler
from gentk.protocols import DataSpec, Leaf
from gentk.weights.safety import read_config

DATA = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))}, conditions={"label": Leaf(classes=3, names=("a", "b", "c"))})


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    made: torch.nn.Module = build_model("ddpm", "ddpm-points", {"width": 8, "blocks": 1, "label_dropout": 0.2}, DATA)
    for p in made.parameters():
        torch.nn.init.normal_(p)
    return made


def test_bit_identical(tmp_path: Path) -> None:
    one = model()
    gentk.save(one, tmp_path, sampler=sampler("heun", steps=3, guidance=2.0), recipe="mine")
    two = gentk.load(tmp_path)
    assert not two.training and two.config == one.config and two.data == one.data and two.conditions == one.conditions
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert two.recommended_sampler == sampler("heun", steps=3, guidance=2.0)
    about = json.loads((tmp_path / "config.json").read_text())
    assert about["conditions"]["label"]["names"] == ["a", "b", "c"] and about["recipe"] == "mine"
    assert set(about["requires"]) == {"gentk-core", "gentk-ddpm"}


def test_format_1_which_named_the_core_gentk_is_read(tmp_path: Path) -> None:
    gentk.save(one := model(), tmp_path)
    path = tmp_path / "config.json"
    about = json.loads(path.read_text())
    assert about["format"] == 2

    def written(needs: str) -> dict[str, object]:
        others = {name: bound for name, bound in about["requires"].items() if name != "gentk-core"}
        return {**about, "format": 1, "requires": others | {"gentk": needs}}

    path.write_text(json.dumps(written(">=0.1")))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), gentk.load(tmp_path).state_dict().values(), strict=True))
    assert read_config(tmp_path)["requires"] == {**about["requires"], "gentk-core": ">=0.1"}
    path.write_text(json.dumps(written(">=900")))
    with pytest.raises(GentkError, match="weights need gentk-core>=900"):
        gentk.load(tmp_path)


def test_whatever_the_memory_looks_like(tmp_path: Path) -> None:
    """Convolutions lie channels last in memory; the file has them as everybody reads them."""
    one = gentk.load("vae/mnist-conv")
    assert any(not p.is_contiguous() for p in one.parameters())
    gentk.save(one, tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(tensor, found[name]) for name, tensor in one.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), gentk.load(tmp_path).state_dict().values(), strict=True))


def test_halves_are_widened(tmp_path: Path) -> None:
    one = model()
    gentk.save(one, tmp_path, dtype="float16")
    assert {t.dtype for t in load_file(tmp_path / "model.safetensors").values()} == {torch.float16}
    for a, b in zip(one.parameters(), gentk.load(tmp_path).parameters(), strict=True):
        assert b.dtype == torch.float32 and torch.equal(a.half().float(), b)


def test_other_files_stay_and_a_failing_save_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gentk.save(model(), tmp_path)
    (tmp_path / "README.md").write_text("mine")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def broken(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", broken)
    other = model()
    with torch.no_grad():
        next(other.parameters()).add_(1)
    with pytest.raises(OSError, match="disk full"):
        gentk.save(other, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_files_are_readable_by_others(tmp_path: Path) -> None:
    gentk.save(model(), tmp_path)
    modes = {(tmp_path / name).stat().st_mode & 0o777 for name in ("config.json", "model.safetensors")}
    assert len(modes) == 1
