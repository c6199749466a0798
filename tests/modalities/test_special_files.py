"""What exists and is no regular file: written into, or refused in one line; a link stays, and its target is replaced."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
import torch

from gentk.errors import UsageError
from gentk.files import destination, replacing, replacing_folder
from gentk.modalities import modality
from gentk.protocols import DataSpec, Leaf

POINTS = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})
SUFFIXES = [".csv", ".npz", ".safetensors", ".png"]


def save(path: Path) -> None:
    kind = modality("points")
    kind.check_path(path)
    kind.save({"x": torch.zeros(3, 2)}, POINTS, path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_is_written_into_and_stays(tmp_path: Path, suffix: str, linked: bool) -> None:
    save(tmp_path / f"plain{suffix}")
    pipe = tmp_path / f"pipe{suffix}"
    os.mkfifo(pipe)
    path = pipe
    if linked:
        path = tmp_path / f"link{suffix}"
        path.symlink_to(pipe.name)
    read: list[bytes] = []
    reader = Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    save(path)
    reader.join(20)
    assert suffix == ".npz" or read == [(tmp_path / f"plain{suffix}").read_bytes()]
    assert read[0] and stat.S_ISFIFO(os.stat(pipe).st_mode) and path.is_symlink() == linked


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    for name in ("null", "full"):
        (tmp_path / f"{name}.csv").symlink_to(f"/dev/{name}")
    save(tmp_path / "null.csv")
    with pytest.raises(UsageError, match=r"cannot write .*full.csv: No space left on device"):
        save(tmp_path / "full.csv")
    assert all(stat.S_ISCHR(os.stat(f"/dev/{name}").st_mode) for name in ("null", "full"))


@pytest.mark.parametrize("kind", ["socket", "folder", "loop", "long"])
def test_what_can_be_no_file_is_refused_before_any_work(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.csv"
    with socket.socket(socket.AF_UNIX) as server:
        if kind == "socket":
            server.bind(str(path))
        elif kind == "folder":
            path.mkdir()
        elif kind == "loop":
            path.symlink_to(path)
        else:
            path = tmp_path / f"{'x' * 300}.csv"
        for act in (modality("points").check_path, lambda p: replacing(p).__enter__()):
            with pytest.raises(UsageError, match="cannot write") as caught:
                act(path)
            assert "\n" not in str(caught.value)
    assert len(list(tmp_path.iterdir())) == (kind != "long")


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path, there: bool) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    target, link, first = place / "real.csv", tmp_path / "x.csv", tmp_path / "first.csv"
    if there:
        target.write_text("old")
    first.symlink_to("elsewhere/real.csv")
    link.symlink_to(first)
    save(link)
    assert link.is_symlink() and first.is_symlink() and target.read_text().startswith("x0,x1")
    assert [p.name for p in place.iterdir()] == ["real.csv"]


def test_a_link_to_a_folder_stays_too(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with replacing_folder(tmp_path / "link") as temporary:
        (temporary / "0000.png").write_bytes(b"x")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real/0000.png").exists()
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("pipe", "no folder"), ("-", "cannot be written to stdout")):
        with pytest.raises(UsageError, match=said), replacing_folder(tmp_path / name):
            pass


def test_a_mode_is_kept_and_a_new_file_has_the_ordinary_one(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        path = tmp_path / f"x{suffix}"
        path.write_text("old")
        path.chmod(0o640)
        save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        (ordinary := tmp_path / f"ordinary{suffix}.txt").write_text("")
        save(tmp_path / f"new{suffix}")
        assert (tmp_path / f"new{suffix}").stat().st_mode == ordinary.stat().st_mode


def test_a_temporary_name_cannot_be_guessed_and_is_not_followed(tmp_path: Path) -> None:
    names = []
    for _ in range(2):
        with replacing(tmp_path / "x.csv") as temporary:
            names.append(temporary.name)
            assert str(os.getpid()) not in temporary.name.split(".") and temporary.exists()
    assert names[0] != names[1]


def test_an_open_file_is_written_into_where_it_stands(tmp_path: Path) -> None:
    """As by a shell: `command --out /dev/stdout >> file`."""
    code = "from gentk.files import replacing\nfrom pathlib import Path\n"
    code += "with replacing(Path('/dev/stdout')) as t:\n    t.write_text('new')\nprint('after')"
    with (tmp_path / "log").open("a") as file:
        file.write("old\n")
        file.flush()
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert (tmp_path / "log").read_text() == "old\nnewafter\n"
    assert destination(Path("/dev/null")) is None
