"""`gentk pull`: a repository as a plain folder, whole and checked, or no folder at all."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch

import gentk
from gentk.cli import run
from gentk.errors import GentkError, UsageError
from gentk.weights.folder import save
from gentk.weights.pull import pull
from tests.hub.server import Hub, Repo

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, client: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "here"
    place.mkdir()
    client.chdir(place)
    return place


def here() -> list[str]:
    return sorted(path.as_posix() for path in Path().rglob("*") if path.is_file())


def test_everything_that_weights_consist_of(hub: Hub, repo: Repo, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pull", "user/tiny@v1"]) == 0
    said = capsys.readouterr().out
    names = ["README.md", "config.json", "model.safetensors", "recipe.toml", "samples/preview.png"]
    assert here() == [f"tiny/{name}" for name in names]  # and neither code nor pickles
    assert not any(path.is_symlink() for path in Path("tiny").rglob("*"))
    assert all((Path("tiny") / name).read_bytes() == (tiny / name).read_bytes() for name in names)
    assert f"tiny: 5 files, 0.01 MB, of user/tiny at {repo.sha()[:12]}" in said and "gentk sample --weights tiny" in said
    assert sum("/api/" in asked for asked in hub.requests()) == 1
    assert torch.equal(gentk.sample(gentk.load("tiny"), 2)["x"], gentk.sample(gentk.load(tiny), 2)["x"])


def test_in_python_and_again_without_the_hub(hub: Hub, repo: Repo, client: pytest.MonkeyPatch) -> None:
    assert pull("user/tiny", "deep/one") == Path("deep/one")
    assert sum("/api/" in asked for asked in hub.requests()) == 1
    client.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert pull("user/tiny", "two") == Path("two")
    assert [name.removeprefix("deep/one/") for name in here()[:5]] == [name.removeprefix("two/") for name in here()[5:]]


def test_json(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pull", "user/tiny", "--out", "x", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["weights"], said["repo"], said["sha"], len(said["files"]), said["note"]) == ("x", "user/tiny", repo.sha(), 5, "")


def test_nobodys_files_are_replaced(hub: Hub, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    Path("tiny").mkdir()
    Path("tiny/mine.txt").write_text("mine")
    assert run(["pull", "user/tiny"]) == 2
    assert "tiny is not empty" in capsys.readouterr().err and here() == ["tiny/mine.txt"] and hub.requests() == []
    with pytest.raises(UsageError, match="'nowhere' is no repository of the Hub"):
        pull("nowhere")
    Path("empty").mkdir()
    assert pull("user/tiny", "empty") == Path("empty")


def test_weights_of_a_plugin_that_is_not_here(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads(repo.files()["config.json"])
    repo.commit({"config.json": json.dumps(config | {"plugin": "foreign", "requires": {"gentk-foreign": ">=1"}}).encode()})
    assert run(["pull", "user/tiny"]) == 0
    said = capsys.readouterr().out
    assert "note: weights need plugin 'foreign', which is not installed" in said and "gentk-foreign" not in said
    assert Path("tiny/model.safetensors").is_file() and "gentk sample" not in said


def wrong_shapes(repo: Repo) -> None:
    config = json.loads(repo.files()["config.json"])
    repo.commit({"config.json": json.dumps(config | {"config": {**config["config"], "width": 16}}).encode()})


def wrong_config(repo: Repo) -> None:
    repo.commit({"config.json": b"{}"})


@pytest.mark.parametrize(("spoil", "word"), [(wrong_shapes, "do not fit"), (wrong_config, "format")])
def test_what_cannot_be_loaded_makes_no_folder(repo: Repo, spoil: object, word: str) -> None:
    spoil(repo)  # type: ignore[operator]
    with pytest.raises(GentkError, match=word):
        pull("user/tiny")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["README.md", "samples/preview.png", "model.safetensors"])
def test_damage_makes_no_folder(hub: Hub, repo: Repo, name: str) -> None:
    hub.flip(name)
    with pytest.raises(GentkError, match=f"of {Path(name).name} of user/tiny differs"):
        pull("user/tiny")
    assert list(Path().iterdir()) == []
    pull("user/tiny")


def test_shards_come_with_their_index_and_none_that_it_does_not_list(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    save(gentk.load(tiny), tmp_path / "sharded", shard_bytes=500)
    hub.repo("user/shards", tmp_path / "sharded").commit({"model-00009-of-00009.safetensors": b"left over"})
    pull("user/shards")
    assert here() == [f"shards/{path.name}" for path in sorted((tmp_path / "sharded").iterdir())]
    gentk.load("shards")


def test_no_room_for_the_folder(repo: Repo, client: pytest.MonkeyPatch, elsewhere: Path) -> None:
    place = Path.cwd()
    client.setattr(shutil, "disk_usage", lambda path: Usage(10, 9, 1 if Path(path) == place else 10**9))
    with pytest.raises(GentkError, match=f"are free at {place}: make room"):
        pull("user/tiny")
    assert list(Path().iterdir()) == []
