"""Weights speak through samples, names and messages; none of it reaches the controls of a terminal."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gentk.cli import run
from gentk.cli.out import harmless, out
from gentk.weights.names import locate

from .changing import config

EVIL = "\x1b[2J\x07\x9b31m"


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A text model whose tokens, help and recipe are written for a terminal."""
    folder = tmp_path / "evil"
    shutil.copytree(locate("classical/markov").folder, folder)

    def change(found: dict[str, object]) -> None:
        data, conditions = found["data"], found["conditions"]
        assert isinstance(data, dict) and isinstance(conditions, dict)
        names = [EVIL + name for name in data["leaves"]["x"]["names"]]
        data["leaves"]["x"]["names"] = names
        conditions["prompt"]["names"] = names
        found["config"]["stop"] = None  # type: ignore[index]
        found["requires"] = {EVIL: EVIL}
        found["recipe"] = EVIL

    config(folder, change)
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "--weights", "{}", "-n", "2", "--out", "{}/out.txt"],
        ["sample", "--weights", "{}", "--help"],
        ["sample", "--weights", "{}", "--prompt", "x"],
        ["inspect", "{}"],
        ["inspect", "{}", "--facts"],
        ["inspect", "{}", "--json"],
        ["reconstruct", "--weights", "{}"],
    ],
    ids=" ".join,
)
def test_nothing_reaches_the_terminal(words: list[str], evil: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run([word.format(evil) for word in words])
    told = capfd.readouterr()
    assert told.out + told.err
    assert not {c for c in told.out + told.err if c in EVIL[:1] + "\x07\x9b"}


def test_the_samples_are_shown_all_the_same(evil: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "--weights", str(evil), "-n", "2", "--out", str(evil / "out.txt")]) == 0
    assert "\ufffd[2J" in capfd.readouterr().out
    assert "\x1b[2J" in (evil / "out.txt").read_text()  # a file has what was drawn


def test_messages_too(capfd: pytest.CaptureFixture[str]) -> None:
    assert out.fail(f"no {EVIL}\nsecond line", 2) == 2
    assert capfd.readouterr().err == "error: no \ufffd[2J\ufffd\ufffd31m\nsecond line\n"


def test_what_is_harmless_stays() -> None:
    assert harmless("é 漢字 🙂\n\ttab") == "é 漢字 🙂\n\ttab"
    assert harmless("\x1b[31m\x00\ud800\r") == "\ufffd[31m\ufffd\ufffd\ufffd"
