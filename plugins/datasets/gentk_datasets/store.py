"""Where downloaded data sets live: $GENTK_DATA, else ~/.cache/gentk/data, in torchvision's layout. Nothing there is ever half-written."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gentk.errors import GentkError

PATIENCE = 30.0
"""Seconds without an answer after which a download is given up."""


def root() -> Path:
    """The folder of downloaded data."""
    return Path(os.environ.get("GENTK_DATA") or "~/.cache/gentk/data").expanduser()


def load(name: str, dataset: Callable[..., Any], folder: str, train: bool) -> Any:
    """The torchvision data set `dataset`, downloaded first where it is missing.

    `folder` is where below `root()` its files are. Raises GentkError with one line: offline, no permission, or damaged files.
    """
    with contextlib.redirect_stdout(sys.stderr):  # torchvision prints; stdout is for results
        try:
            return dataset(root(), train=train, download=False)
        except RuntimeError:  # "not found", or a checksum that does not match
            download(name, dataset, folder)
        except Exception as error:
            raise damaged(name, folder, error) from error
        try:
            return dataset(root(), train=train, download=False)
        except Exception as error:
            raise damaged(name, folder, error) from error


def download(name: str, dataset: Callable[..., Any], folder: str) -> None:
    """Fetches into a folder of its own, then renames file by file: whoever reads meanwhile sees a whole file or none."""
    target = root() / folder
    print(f"downloading {name} to {target}", file=sys.stderr)
    try:
        with _beside(root()) as temporary, _patient():
            _take_along(target, temporary / folder)
            dataset(temporary, train=True, download=True)
            target.mkdir(parents=True, exist_ok=True)
            for file in sorted((temporary / folder).iterdir()):
                os.replace(file, target / file.name)
    except PermissionError as error:
        raise GentkError(f"data set {name}: cannot write to {root()} ({error.strerror}); set GENTK_DATA to a folder of yours") from error
    except (OSError, RuntimeError, EOFError) as error:
        cause = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise GentkError(
            f"data set {name} is not in {target} and cannot be downloaded ({cause}); go online once, "
            f"or put its files there (GENTK_DATA, now {root()}, chooses the folder)"
        ) from error


def damaged(name: str, folder: str, error: Exception) -> GentkError:
    """The error for files that are there and cannot be read."""
    return GentkError(f"data set {name}: the files in {root() / folder} are damaged ({type(error).__name__}); delete them to download anew")


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    temporary = folder / f".download-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _patient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _take_along(source: Path, target: Path) -> None:
    """Archives that are already there spare a download; torchvision checks their sums."""
    target.mkdir(parents=True)
    for archive in source.glob("*.gz"):
        shutil.copyfile(archive, target / archive.name)
