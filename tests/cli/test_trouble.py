"""Ordinary trouble is one line that says what to do; only what is ours is called a bug."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from gentk import cli
from gentk.cli.trouble import MEMORY, ordinary
from tests.running import gentk


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/x/state"), "/x/state: No space left on device; make room there"),
        (PermissionError(13, "Permission denied", b"/x\x1b[2J"), "change its permissions"),
        (OSError(30, "Read-only file system", "/x"), "/x: Read-only file system; the file system is read-only"),
        (OSError(36, "File name too long", "n" * 10**5), "choose a shorter name"),
        (NotADirectoryError(20, "Not a directory", "f/x"), "f/x: Not a directory; a part of the path is a file"),
        (OSError(24, "Too many open files"), "Too many open files; too many files are open: raise the limit"),
        (MemoryError(), MEMORY),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"), MEMORY),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), "make room there"),
        (SafetensorError("header too large"), "header too large; fetch or save it again"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no"), "use UTF-8"),
    ],
)  # fmt: skip
def test_each_is_a_line(error: Exception, said: str) -> None:
    line = ordinary(error)
    assert said in line and line.isprintable() and len(line) < 500


@pytest.mark.parametrize("error", [TypeError("x"), RuntimeError("shapes"), KeyError("y"), RecursionError()])
def test_what_is_ours_stays_a_bug(error: Exception) -> None:
    assert ordinary(error) == ""


def limited(size: int) -> Callable[[], None]:
    import signal

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write then fails with EFBIG, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def run(*words: str, cwd: Path, **how: Any) -> subprocess.CompletedProcess[str]:
    made = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, **how}
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    if "preexec_fn" in how:
        env["PYTHONDONTWRITEBYTECODE"] = "1"  # Python leaves the half of a .pyc that fitted, and believes it later
    return subprocess.run([sys.executable, "-m", "gentk", *words], text=True, cwd=cwd, env=env, **made)


SHORT = ("--set", "training.steps=6", "--set", "training.checkpoint_every=2", "--set", "training.preview_every=0", "--set",
         "training.evaluate_every=0", "--set", "model.config.width=64")  # fmt: skip


def test_a_disk_that_is_full_in_a_checkpoint(tmp_path: Path) -> None:
    """The line says so; with room again the run ends as one that never met it."""
    words = ("train", "--recipe", "moons", "--out", "run", *SHORT)
    full = run(*words, cwd=tmp_path, preexec_fn=limited(60_000))
    assert full.returncode == 1 and full.stderr.count("\nerror: ") == 1 and "bug" not in full.stderr, full.stderr
    assert "could not be saved" in full.stderr or "File too large" in full.stderr, full.stderr
    assert run("train", "--resume", "--out", "run", cwd=tmp_path).returncode == 0
    assert run("train", "--recipe", "moons", "--out", "straight", *SHORT, cwd=tmp_path).returncode == 0
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "straight"))
    assert one == two
    assert not list((tmp_path / "run").rglob("*.tmp*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", [("models",), ("models", "--json"), ("--version",), ("--help",)])
def test_a_full_stdout_is_told(words: tuple[str, ...], tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = run(*words, cwd=tmp_path, stdout=full)
    assert done.returncode == 1 and "bug" not in done.stderr and "Exception ignored" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error:")], done.stderr


def test_closed_streams(tmp_path: Path) -> None:
    line = f"{sys.executable} -m gentk"
    out = subprocess.run(["sh", "-c", f"{line} models >&-"], text=True, capture_output=True, cwd=tmp_path)
    assert out.returncode == 1 and out.stderr.startswith("error: ") and "bug" not in out.stderr and "Exception" not in out.stderr
    err = subprocess.run(["sh", "-c", f"{line} sample --plugin nope 2>&-"], text=True, capture_output=True, cwd=tmp_path)
    assert err.returncode == 2 and err.stdout == ""
    pipe = subprocess.run(["sh", "-c", f"{line} models | true"], text=True, capture_output=True, cwd=tmp_path)
    assert pipe.stderr == ""


def test_a_terminal_without_unicode(tmp_path: Path) -> None:
    done = gentk("models", cwd=tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 0 and "\\u03b2" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("place", ["file/x", "n" * 300])
def test_training_into_no_folder(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("train", "--recipe", "moons", "--out", place, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "cannot train in" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("classify --plugin classical --recipe naive-bayes -o seed=1", "no option 'seed' for -o: say --seed"),
        ("classify --plugin classical --recipe naive-bayes -o model=1", "no option 'model' for -o: say --model"),
        ("classify --plugin classical --recipe naive-bayes -o batch=1", "has no option 'batch'"),
        ("classify --plugin classical --recipe naive-bayes -o batch-size=1", "no option 'batch_size' for -o: say --batch-size"),
        ("likelihood --recipe swiss-roll -o seed=1", "no option 'seed' for -o: say --seed"),
        ("likelihood --recipe swiss-roll -o noise=1", "has no option 'noise'"),
        ("likelihood --recipe swiss-roll -o self=1", "has no option 'self'"),
        ("encode --plugin vae --recipe mnist -o model=1", "no option 'model' for -o: say --model"),
        ("impute --plugin classical --recipe gmm -o seed=1", "no option 'seed' for -o: say --seed"),
        ("impute --plugin classical --recipe gmm --missing 0.5 -o known=1", "has no option 'known'"),
        ("sample --recipe moons -o self=1", "has no option 'self'"),
        ("sample --recipe moons -o model_config=1", "no option 'model_config'"),
    ],
)
def test_names_of_inner_arguments_are_no_options(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(line.split()) == 2
    assert said in (told := capsys.readouterr().err) and told.count("\n") == 1 and "bug" not in told


def test_a_method_may_call_its_options_as_our_own_functions_do() -> None:
    from gentk.cli.commands.likelihood import likelihood
    from gentk.cli.commands.sample import pairs

    assert pairs(["draws=3", "x=1", "n=2"], {}, likelihood) == {"draws": 3, "x": 1, "n": 2}


@pytest.mark.parametrize("words", [[], ["plot"]])
def test_a_command_without_arguments_is_its_help(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(words) == 2
    shown = capfd.readouterr()
    assert "Usage: gentk" in shown.out and shown.err == ""
    told = json.loads(gentk(*words, "--json").stdout)
    assert told["exit_code"] == 2 and told["error"].strip()


def test_error_lines_are_bounded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["sample", "--plugin", "x\x1b[2J" * 10**5]) == 2
    told = capsys.readouterr().err
    assert len(told) < 2200 and told.count("\n") == 1 and "\x1b" not in told
    (tmp_path / "r.toml").write_text('[model]\nplugin = "ddpm"\nx = 1\ny = 2\n[dataset]\nz = 3\n')
    assert cli.run(["train", "--recipe", str(tmp_path / "r.toml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
