"""What weights were trained on: their recipe may name a data set, and nothing that it names is looked for on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gentk.cli import run
from gentk.errors import GentkError, UsageError
from gentk.host import lookup
from gentk.weights import origin

from .changing import DATA, save

CONFIG = {"plugin": "ddpm", "recipe": ""}


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Which data sets are asked for, and with which options; none is made."""
    asked: list[tuple[str, dict[str, Any]]] = []

    class Made:
        spec = DATA

    def dataset(name: str, split: str = "train", options: Any = None, plugin: str | None = None) -> Any:
        asked.append((name, dict(options or {})))
        return Made()

    monkeypatch.setattr(lookup, "dataset", dataset)
    return asked


def recipe(folder: Path, text: str) -> Path:
    (folder / "recipe.toml").write_text(text)
    return folder


def dataset(name: str, **options: Any) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in options.items())
    return f'[dataset]\nname = "{name}"\n[dataset.options]\n{lines}'


@pytest.mark.parametrize(
    ("name", "options", "place"),
    [
        ("folder:/etc", {}, "/etc"),
        ("folder:", {}, ""),
        ("npz:x.npz", {}, "x.npz"),
        ("latents:user/repo", {}, "user/repo"),
        ("latents:vae", {}, "vae"),
        ("latents", {"weights": '"user/repo"'}, "user/repo"),
        ("mnist", {"root": '"/home"'}, "/home"),
        ("mnist", {"root": '".."'}, ".."),
        ("mnist", {"root": '"~"'}, "~"),
        ("mnist", {"root": "'C:x'"}, "C:x"),
        ("mnist", {"root": "'a\\b'"}, "a\\b"),
        ("mnist", {"deep": '[{a = ["https://x.y"]}]'}, "https://x.y"),
        ("mnist", {"deep": '{"/etc" = 1}'}, "/etc"),
    ],
)
def test_no_place_that_foreign_weights_name_is_looked_at(
    name: str, options: dict[str, Any], place: str, folder: Path, looked: list[Any]
) -> None:
    recipe(folder, dataset(name, **options))
    with pytest.raises(UsageError) as error:
        origin.dataset_of(folder, CONFIG, "user/repo")
    message = str(error.value)
    assert message.startswith(f"user/repo says that it was trained on {name}, with '{place}'")
    assert "gentk follows no path or name that weights bring along; give --dataset" in message and not looked


def test_what_is_no_place_is_used(folder: Path, looked: list[Any]) -> None:
    recipe(folder, dataset("moons", noise=0.1, labels="false"))
    origin.dataset_of(folder, CONFIG, "these")
    origin.dataset_of(folder, CONFIG, "these", labels=True, absent=1)
    origin.dataset_of(folder, CONFIG, "these", "folder:/mine")  # what a person says is followed
    assert looked == [("moons", {"noise": 0.1, "labels": False}), ("moons", {"noise": 0.1, "labels": True}), ("folder:/mine", {})]


def test_a_run_of_this_machine_knows_its_own_data(folder: Path, looked: list[Any]) -> None:
    recipe(folder, dataset("folder:/mine", size=8))
    (folder / "state").mkdir()
    origin.dataset_of(folder, CONFIG, "these")
    assert looked == [("folder:/mine", {"size": 8})]
    shutil.rmtree(folder / "state")
    (folder / "state").write_text("a file")
    with pytest.raises(UsageError, match="give --dataset"):
        origin.dataset_of(folder, CONFIG, "these")


def test_without_a_recipe(folder: Path, looked: list[Any]) -> None:
    origin.dataset_of(folder, {"plugin": "ddpm", "recipe": "moons"}, "these")
    assert looked[0][0] == "moons"
    for name in ("", "no-such", "../../etc/passwd", "x.toml"):
        with pytest.raises(UsageError, match="these does not say what it was trained on: give --dataset"):
            origin.dataset_of(folder, {"plugin": "ddpm", "recipe": name}, "these")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[", "is not TOML"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a" + ".a" * 200 + " = 1", "nested too deeply"),
        ("a = " + "9" * 5000, "is not TOML"),
        ("#" * 100_001, "a recipe has at most 0.1 MB"),
        ("", "dataset.name: is missing"),
        ('dataset = "moons"', "dataset: "),
        ("[dataset]\nname = 3", "dataset.name"),
        ('[dataset]\nname = "moons"\nsplitt = "x"', "dataset.splitt: no such key"),
        ('[dataset]\nname = "\\u001b[2J"', "is no data set"),
    ],
)
def test_recipes_that_are_none(text: str, word: str, folder: Path, looked: list[Any]) -> None:
    recipe(folder, text)
    with pytest.raises(GentkError) as error:
        origin.dataset_of(folder, CONFIG, "these")
    assert word in str(error.value) and str(error.value).isprintable() and not looked


def test_bytes_and_links(folder: Path, looked: list[Any]) -> None:
    (folder / "recipe.toml").write_bytes(b'[dataset]\nname = "\xff"')
    with pytest.raises(GentkError, match="is not TOML"):
        origin.dataset_of(folder, CONFIG, "these")
    (folder / "recipe.toml").unlink()
    (folder / "recipe.toml").symlink_to("/etc/passwd")
    with pytest.raises(GentkError, match="points outside the folder"):
        origin.dataset_of(folder, CONFIG, "these")


def test_the_model_that_a_foreign_recipe_names_is_nothing_to_us(folder: Path, looked: list[Any]) -> None:
    recipe(folder, '[model]\nplugin = "os"\nname = "system"\n' + dataset("moons"))
    origin.dataset_of(folder, CONFIG, "these")
    assert looked == [("moons", {})]


def test_absurd_data_are_not_made(folder: Path) -> None:
    recipe(folder, dataset("synthetic", modality='"points"', leaves="{x = {shape = [1_000_000_000_000]}}"))
    with pytest.raises(GentkError, match=r"recipe.toml: the data set synthetic: data.leaves.x.shape: \[1000000000000\]"):
        origin.dataset_of(folder, CONFIG, "these")


def test_on_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = recipe(save(tmp_path / "theirs"), dataset("folder:/etc"))
    assert run(["encode", "--weights", str(place)]) == 2
    assert "theirs says that it was trained on folder:/etc, with '/etc'" in capfd.readouterr().err
