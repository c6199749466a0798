"""--out: `-` is stdout, and a pipe or device without a suffix gets the format of the default name."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = ["sample", "--plugin", "classical", "--recipe", "gmm", "-n", "4"]


def gentk(*args: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", "gentk", *args], cwd=cwd, env=environment, capture_output=True, check=False)


@pytest.mark.parametrize("out", ["-", "/dev/stdout"])
def test_stdout_gets_the_file_and_nothing_else(tmp_path: Path, out: str) -> None:
    assert gentk(*SAMPLE, "--out", "x.png", cwd=tmp_path).returncode == 0
    done = gentk(*SAMPLE, "--out", out, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == (tmp_path / "x.png").read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_frozen_plugins_go_to_stdout_as_lines(tmp_path: Path) -> None:
    assert gentk("plugins", "freeze", "--out", "x", cwd=tmp_path).returncode == 0
    assert gentk("plugins", "freeze", "--out", "-", cwd=tmp_path).stdout == (tmp_path / "x").read_bytes()
    assert gentk("plugins", "freeze", "--out", "/dev/null", cwd=tmp_path).returncode == 0 and stat.S_ISCHR(os.stat("/dev/null").st_mode)
    full = gentk("plugins", "freeze", "--out", "/dev/full", cwd=tmp_path)
    assert full.returncode == 2 and full.stderr.count(b"\n") == 1 and b"/dev/full: No space" in full.stderr


def test_stdout_is_not_for_two(tmp_path: Path) -> None:
    done = gentk("--json", *SAMPLE, "--out", "-", cwd=tmp_path)
    assert done.returncode == 2 and b"both want stdout" in done.stdout
