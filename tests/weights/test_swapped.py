"""What takes a file's place after it was looked at: never waited for, and one line."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gentk.errors import GentkError
from gentk.weights import files
from gentk.weights.card.facts import gather
from gentk.weights.config import read_config
from gentk.weights.hub import cache
from gentk.weights.safety import read_header, read_tensors

from .changing import refused


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def taken(path: Path) -> None:
    path.unlink()


def folder_(path: Path) -> None:
    path.unlink()
    path.mkdir()


def listening(path: Path) -> None:
    path.unlink()
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


ACTS = [pipe, taken, folder_, listening]


@pytest.fixture
def swap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Callable[[Path], None]], None]]:
    """Have something happen to a file of this name right after it was looked at."""

    def begin(name: str, act: Callable[[Path], None]) -> None:
        true, done = Path.resolve, []

        def resolve(self: Path, strict: bool = False) -> Path:
            found = true(self, strict)
            if self.name == name and not done and self.is_file():
                done.append(name)
                act(self)
            return found

        monkeypatch.setattr(Path, "resolve", resolve)

    yield begin


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_changes_after_the_check(
    name: str, act: Callable[[Path], None], folder: Path, swap: Callable[[str, Callable[[Path], None]], None]
) -> None:
    swap(name, act)
    message = refused(folder)
    assert name in message and ("no regular file" in message or "cannot read" in message)


@pytest.mark.parametrize("act", ACTS)
def test_numbers_that_change_after_the_header_was_read(act: Callable[[Path], None], folder: Path) -> None:
    header = read_header(folder)
    act(folder / "model.safetensors")
    with pytest.raises(GentkError, match=r"no regular file|cannot read"):
        read_tensors(header)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("name", ["log.jsonl", "recipe.toml", "metrics.json"])
def test_what_stands_beside_the_numbers(
    name: str, act: Callable[[Path], None], folder: Path, swap: Callable[[str, Callable[[Path], None]], None]
) -> None:
    (folder / name).write_text("")
    swap(name, act)
    with pytest.raises(GentkError, match=name):
        gather(folder, read_config(folder))


@pytest.mark.parametrize("act", ACTS)
def test_a_blob_or_a_branch_of_the_cache(act: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    blob = tmp_path / "blob"
    blob.write_bytes(b"x")
    act(blob)
    for like in ("a" * 40, "a" * 64):
        with pytest.raises(GentkError, match="blob"):
            cache.digest(blob, like)
        with pytest.raises(GentkError, match="blob"):
            cache.check(blob, "user/tiny", like)
    branch = cache.home("user/tiny") / "refs" / "main"
    branch.parent.mkdir(parents=True)
    branch.write_text("a" * 40)
    assert cache.known("user/tiny", None) == "a" * 40
    act(branch)
    assert cache.known("user/tiny", None) is None


@pytest.mark.parametrize("act", ACTS)
def test_a_copy_is_of_a_regular_file(act: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    act(tmp_path / "x")
    with pytest.raises(GentkError, match="x"):
        files.copied(tmp_path / "x", tmp_path / "y")
    (tmp_path / "z").write_text("z")
    with pytest.raises(GentkError, match="cannot copy"):
        files.copied(tmp_path / "z", tmp_path / "none" / "y")
