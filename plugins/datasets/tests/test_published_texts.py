"""Published texts: how they are cut, and that no held-out example is trained on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from gentk.errors import GentkError
from gentk_datasets import published_texts as texts


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root of data with a text of 1,000 characters and 50 names where the published ones would be."""
    monkeypatch.setenv("GENTK_DATA", str(tmp_path))
    play = "".join(chr(97 + i * i % 23) for i in range(1000))
    names = "".join(f"{chr(97 + i // 26)}{chr(97 + i % 26)}{'x' * (i % 3)}\n" for i in range(50))
    for home, name, content, key in (("tinyshakespeare", "input.txt", play, "SHAKESPEARE"), ("names", "names.txt", names, "NAMES")):
        (tmp_path / home).mkdir()
        (tmp_path / home / name).write_text(content)
        monkeypatch.setattr(texts, f"{key}_SHA256", hashlib.sha256(content.encode()).hexdigest())
    return tmp_path


def test_training_windows_start_anywhere_and_test_windows_follow_one_another(folder: Path) -> None:
    train, test = texts.tiny_shakespeare("train", 20), texts.tiny_shakespeare("test", 20)
    assert (len(train), len(test)) == (881, 5) and train.spec == test.spec
    whole = (folder / "tinyshakespeare/input.txt").read_text()
    letters = train.spec.leaves["x"].names
    said = ["".join(letters[i] for i in row) for row in train.batch(range(881))["x"]]
    assert said == [whole[i : i + 20] for i in range(881)]
    assert "".join(letters[i] for i in test.batch(range(5))["x"].flatten()) == whole[900:]


def test_each_name_is_in_one_split_with_its_end(folder: Path) -> None:
    train, test = texts.names("train"), texts.names("test")
    assert (len(train), len(test)) == (45, 5) and train.spec == test.spec and train.spec.shape == (5,)
    letters, found = train.spec.leaves["x"].names, []
    for part in (train, test):
        batch = part.batch(range(len(part)))
        assert not batch["x"][torch.arange(5) >= batch["length"][:, None]].any()
        found += ["".join(letters[i] for i in row[:end]) for row, end in zip(batch["x"], batch["length"], strict=True)]
    assert sorted(found) == sorted((folder / "names/names.txt").read_text().splitlines(keepends=True))


def test_a_changed_file_is_not_taken(folder: Path) -> None:
    (folder / "names/names.txt").write_text("other\n")
    with pytest.raises(GentkError, match="is not the file that was published"):
        texts.names()
