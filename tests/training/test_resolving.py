"""What a data set chose itself stands in the run's recipe, and the run goes on with it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image

from gentk.cli import run
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.training import Training
from gentk.training.resolving import resolved


def paint(folder: Path, side: int, count: int) -> None:
    for i in range(count):
        path = folder / "ab"[i % 2] / f"{side}-{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (side, side), (9 * i, 0, 0)).save(path)


def words(folder: Path, out: Path) -> list[str]:
    small = ["model.config.widths=[8,16]", "model.config.groups=4", "training.steps=1", "training.batch_size=2", "training.preview_every=0"]
    return ["train", "--plugin", "vae", "--dataset", f"folder:{folder}", "--out", str(out), *(w for one in small for w in ("--set", one))]


def test_a_folder_that_grew_is_gone_on_with_as_it_was_read(tmp_path: Path) -> None:
    paint(tmp_path / "set", 16, 12)
    assert run(words(tmp_path / "set", tmp_path / "run")) == 0
    recipe = tmp_path / "run/recipe.toml"
    assert tomllib.loads(recipe.read_text())["dataset"]["options"] == {"size": 16, "labels": True}
    paint(tmp_path / "set", 48, 60)
    part = lookup.recipe("vae", str(recipe)).dataset
    assert lookup.dataset(part.name, "train", part.options).spec.leaves["x"].shape == (3, 16, 16)
    assert lookup.dataset(part.name, "train").spec.leaves["x"].shape == (3, 48, 48)
    assert run(["train", "--resume", "--out", str(tmp_path / "run")]) == 0


def test_options_that_are_left_open_are_those_of_the_run_and_others_are_refused(tmp_path: Path) -> None:
    paint(tmp_path / "set", 16, 12)
    assert run(words(tmp_path / "set", tmp_path / "run")) == 0
    recipe = lookup.recipe("vae", str(tmp_path / "run/recipe.toml"))
    recipe.dataset.options = {}
    with Training(recipe, tmp_path / "run", resume=True) as training:
        assert training.recipe.dataset.options == {"size": 16, "labels": True}
    recipe.dataset.options = {"size": 8}
    with pytest.raises(UsageError, match=r"dataset\.options\.size is 16 in this run, and 8 is asked for"):
        Training(recipe, tmp_path / "run", resume=True)


def test_what_the_user_says_stays(tmp_path: Path) -> None:
    paint(tmp_path / "set", 16, 12)
    assert run([*words(tmp_path / "set", tmp_path / "run"), "--set", "dataset.options.labels=false"]) == 0
    assert tomllib.loads((tmp_path / "run/recipe.toml").read_text())["dataset"]["options"] == {"size": 16, "labels": False}


def test_a_branch_that_was_asked_for_becomes_its_commit() -> None:
    class Branch:
        resolved: ClassVar = {"revision": "0123abc", "config": "small"}

    recipe = lookup.recipe("vae", "mnist")
    recipe.dataset.options = {"revision": "main", "size": 28}
    assert resolved(recipe, Branch()).dataset.options == {"revision": "0123abc", "size": 28, "config": "small"}  # type: ignore[arg-type]
