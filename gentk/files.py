"""Reading arrays, and writing so that a reader sees the old file, the new one, or none: to a temporary name beside it, then renamed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError

if TYPE_CHECKING:
    import PIL.Image
    from numpy.typing import NDArray

HOLD = 1.5
"""Seconds for which an animation shows its last frame."""
LINKS = 40  # that are followed, as by Linux
_OPEN = re.compile(r"/proc/(\d+)(?:/task/\d+)?/fd/(\d+)", re.ASCII)
_NUMBERED = re.compile(r"\d{4,}\.png")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new, empty file of the same suffix; it takes the place of `path` at the end, and is removed on failure.

    A link keeps pointing where it does: its target is replaced. A pipe or a character device (`/dev/stdout`) gets the bytes. The mode of
    a replaced file is kept. Raises UsageError for a folder, a socket or a disk, and for errors of the system.
    """
    try:
        with _temporary(path) as (place, temporary):
            kept = stat.S_IMODE(os.stat(place if place.exists() else temporary).st_mode) if place else 0
            yield temporary
            if place is None:
                _send(temporary, path)
            else:
                os.chmod(temporary, kept)  # a writer may have made the file anew
                os.replace(temporary, place)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path | None, Path]]:
    """What is to be replaced (None: `path` is written into), and a file of our own for the content."""
    place = destination(path)
    if place is None:
        with tempfile.TemporaryDirectory() as folder:
            yield None, Path(folder) / f"content{path.suffix}"
        return
    temporary = _beside(place, f".tmp{place.suffix}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield place, temporary
    finally:
        temporary.unlink(missing_ok=True)


def _beside(place: Path, ending: str) -> Path:
    """A name in the same folder that nobody can guess, and that is no longer than the system allows."""
    return place.with_name(f".{place.stem[:40]}.{secrets.token_hex(8)}{ending}")


def destination(path: Path) -> Path | None:
    """The file that writing to `path` replaces, links followed; None where `path` is a pipe or a character device, to be written into.

    Raises UsageError for what can be neither. The file need not be there yet, also where a link points to it.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except FileNotFoundError:
        kind = stat.S_IFREG
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    if kind in (stat.S_IFIFO, stat.S_IFCHR):
        return None
    if kind != stat.S_IFREG:
        what = {stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a disk"}.get(kind, "no file")
        raise UsageError(f"cannot write {path}: it is {what}; give the name of a file")
    real = _followed(path)
    return None if _descriptor(real) is not None else real  # an open file, perhaps one that a shell appends to


def _followed(path: Path) -> Path:
    """Where a chain of links ends, or the link of /proc that stands for an open file. Raises UsageError for a chain without an end."""
    for _ in range(LINKS):
        if not path.is_symlink() or _descriptor(path) is not None:
            return path
        path = path.parent / os.readlink(path)
    raise UsageError(f"cannot write {path}: too many links")


def _descriptor(path: Path) -> int | None:
    """N of /proc/self/fd/N, by whatever name it is reached."""
    found = _OPEN.fullmatch(f"{os.path.realpath(path.parent)}/{path.name}")
    return int(found[2]) if found and int(found[1]) == os.getpid() else None


def _send(content: Path, path: Path) -> None:
    """Write a file's bytes into a pipe or a device; waits for a reader of the pipe. Raises OSError."""
    number = _descriptor(_followed(path))
    if number == 1:
        sys.stdout.flush()
    target = os.open(path, os.O_WRONLY | os.O_NOCTTY) if number is None else os.dup(number)
    with content.open("rb") as source, os.fdopen(target, "wb") as sink:
        shutil.copyfileobj(source, sink)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed at the end, removed on failure. Where `path` is a link, its target is replaced.

    Takes the place of an empty folder, or of one that holds only numbered images as we write them: nobody's files are deleted.
    """
    if path.name == "-":
        raise UsageError("a folder cannot be written to stdout; give it a name")
    shown, path = path, Path(os.path.realpath(path)) if path.is_symlink() else path
    temporary, old = _beside(path, ".tmp"), _beside(path, ".old")
    if path.exists() and not path.is_dir():
        raise UsageError(f"cannot write {shown}: it is there already, and no folder; give the name of a new one")
    if path.is_dir() and (foreign := [file.name for file in path.iterdir() if not _NUMBERED.fullmatch(file.name)]):
        raise UsageError(f"{path}: the folder holds other files ({foreign[0]}); give a new or an empty one")
    try:
        temporary.mkdir()
        yield temporary
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if old.exists() and not path.exists():
            os.replace(old, path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def save_picture(image: PIL.Image.Image, path: Path) -> None:
    """A still image: .png, .gif or .webp, without loss but for .gif's 256 colours."""
    suffix = path.suffix.lower()
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {"compress_level": 4} if suffix == ".png" else {}
    with replacing(path) as temporary:  # Pillow's own level 6 takes half as long again for 2 % of a sheet of digits
        image.save(temporary, **options)


def save_animation(frames: Sequence[PIL.Image.Image], path: Path, seconds: float) -> None:
    """A looping .gif or .webp: `seconds` for the frames, then the last one held. Raises UsageError for no frames."""
    if not frames:
        raise UsageError(f"{path}: there is nothing to animate")
    each = max(20, round(1000 * seconds / len(frames)))  # ms; viewers slow down what is faster than 50 a second
    durations = [each] * (len(frames) - 1) + [round(1000 * HOLD)]
    options: dict[str, Any] = {"lossless": True} if path.suffix.lower() == ".webp" else {}
    with replacing(path) as temporary:
        frames[0].save(temporary, save_all=True, append_images=list(frames[1:]), duration=durations, loop=0, **options)


def read_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz or .safetensors file by name. Pickles are refused. Raises UsageError."""
    import numpy as np

    path = Path(path)
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.numpy import load_file

            return load_file(path)
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise UsageError(f"no file {path}") from None
    except Exception as error:  # zip, header and dtype errors of two libraries, without a common class
        raise UsageError(f"{path} is no {path.suffix} file of plain arrays") from error
