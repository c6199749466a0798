"""Reading arrays, and writing so that a reader sees the old file, the new one, or none: to a temporary name beside it, then renamed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    import PIL.Image
    from numpy.typing import NDArray

HOLD = 1.5
"""Seconds for which an animation shows its last frame."""
_NUMBERED = re.compile(r"\d{4,}\.png")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name with the same suffix; renamed to `path` at the end, removed on failure. OS errors become UsageError."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed at the end, removed on failure.

    Takes the place of an empty folder, or of one that holds only numbered images as we write them: nobody's files are deleted.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    if path.is_dir() and (foreign := [file.name for file in path.iterdir() if not _NUMBERED.fullmatch(file.name)]):
        raise UsageError(f"{path}: the folder holds other files ({foreign[0]}); give a new or an empty one")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
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
    options: dict[str, Any] = {"lossless": True} if path.suffix.lower() == ".webp" else {}
    with replacing(path) as temporary:
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
