"""The files that weights consist of, and how one of a folder that nobody vouches for is opened: regular files of bounded size,
inside the folder, JSON without traps. No torch."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from ..errors import GentkError

CONFIG, TENSORS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"
ABOUT = ("recipe.toml", "README.md", "metrics.json", TOKENIZER, "log.jsonl", "loss.png")
SHARD = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors", re.ASCII)
PREVIEW = re.compile(r"samples/preview\.(png|gif|webp|mp4|txt|csv|jsonl|sdf|smi)")
_SHARED = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".h5")
MAX_CONFIG, MAX_RECIPE = 1_000_000, 100_000
_UNWAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
DEPTH = 64  # of lists and objects in each other
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+\.\d+(?:[eE][-+]?\d+)?(?![\w.])", re.ASCII)


def allowed(name: str) -> bool:
    """Whether weights consist of such a file: its path in the folder or repository, `/` between parts, to the letter.

    Nothing else is downloaded, pushed or opened. None of them is a format that can run code.
    """
    return name in (CONFIG, TENSORS, INDEX, *ABOUT) or bool(SHARD.fullmatch(name) or PREVIEW.fullmatch(name))


def shown(text: object, most: int = 80) -> str:
    """Somebody else's text in a message of ours: short, on one line, nothing in it that a terminal would obey."""
    cut = str(text)[:most]
    return cut if cut.isprintable() else repr(cut)[1:-1]


def member(folder: Path, name: str) -> Path:
    """A file of the folder. A link may lead out of it only inside the Hub's cache, whose files are links into `blobs`.

    Raises GentkError for one that is missing, that lies elsewhere, or that is no regular file: a pipe or a device would be waited for.
    """
    path = folder / name
    try:
        return _member(folder, path, name)
    except OSError as error:  # it went away in this moment, say
        raise GentkError(f"cannot read {path}: {error.strerror or error}") from None


def _member(folder: Path, path: Path, name: str) -> Path:
    if not path.is_file():
        if path.exists() and not path.is_dir():
            raise GentkError(f"{path} is no regular file")
        if path.is_symlink():
            raise GentkError(f"{path} points to {shown(os.readlink(path))}, where there is no file")
        if name == TENSORS and (found := sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)):
            raise GentkError(
                f"{folder} has no safetensors weights, only {shown(found[0])}; gentk does not load pickle: convert and save again"
            )
        raise GentkError(f"{folder} has no {name}")
    real, home = path.resolve(), folder.resolve()
    if not real.is_relative_to(home) and not _is_blob(real, home):
        raise GentkError(f"{path} points outside the folder, to {shown(real, 200)}")
    return path


def _is_blob(real: Path, home: Path) -> bool:
    """Whether a snapshot's link leads where the Hub's client keeps contents: the repository's `blobs`, or those that all share."""
    if home.parent.name != "snapshots":
        return False
    repository = home.parent.parent
    shared = repository.name.startswith("models--") and real.parent.parent == repository.parent / "blobs"
    return real.parent == repository / "blobs" or (shared and bool(_SHARED.fullmatch(f"{real.parent.name}/{real.name}")))


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, and look at what was opened, not at what had the name before.

    A pipe that has taken its place is not waited for. Raises GentkError for what is no regular file, and for errors of the system.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _UNWAITING)
        with os.fdopen(descriptor, "rb", closefd=True) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise GentkError(f"{path} is no regular file")
            yield file
    except IsADirectoryError:
        raise GentkError(f"{path} is no regular file") from None
    except OSError as error:
        raise GentkError(f"cannot read {path}: {error.strerror or error}") from None


def size_of(path: Path) -> int:
    """Bytes of a file. Raises GentkError where there is none."""
    with opened(path) as file:
        return os.fstat(file.fileno()).st_size


def copied(source: Path, target: Path) -> Path:
    """Copy a regular file to the new file `target`. Raises GentkError."""
    with opened(source) as file:
        try:
            with target.open("xb") as sink:
                while chunk := file.read(1 << 20):
                    sink.write(chunk)
        except OSError as error:
            raise GentkError(f"cannot copy {source} to {target}: {error.strerror or error}") from None
    return target


def fresh(path: Path) -> TextIO:
    """A new, empty file of the ordinary mode, to be written. Whatever had its name goes first, and nobody's link is followed ("x" is
    O_EXCL): who made the folder may have guessed the name. Raises OSError."""
    path.unlink(missing_ok=True)
    return path.open("x", encoding="utf-8", newline="")


def read_bytes(folder: Path, name: str, most: int, what: str) -> bytes:
    """A small file of the folder, `what` in a message. Raises GentkError where it has more than `most` bytes."""
    path = member(folder, name)
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        raw = file.read(most + 1) if size <= most else b""
    if max(size, len(raw)) > most:
        raise GentkError(f"{path} is {max(size, len(raw)) / 1e6:.1f} MB; {what} has at most {most / 1e6:g} MB")
    return raw


def read_json(folder: Path, name: str, *, constants: bool = False, most: int = MAX_CONFIG, what: str = "a config") -> dict[str, Any]:
    """The object in a JSON file of the folder, of at most `most` bytes. `constants`: NaN and Infinity are read, as other writers use
    them. Raises GentkError in one line, also for what readers would disagree on: a key twice, half a character, a number out of range.
    """
    raw, path = read_bytes(folder, name, most, what), folder / name
    try:
        found = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_once, parse_float=_finite, parse_constant=None if constants else _no_constant
        )
        json.dumps(found, ensure_ascii=False).encode("utf-8")  # half of a surrogate pair can be read, but never written or printed
    except RecursionError:
        raise GentkError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise GentkError(f"{path} is not JSON: {shown(error, 120)}") from None
    if not isinstance(found, dict):
        raise GentkError(f"{path} must be an object, found {type(found).__name__}")
    check_depth(found, path)
    return found


def read_toml(folder: Path, name: str) -> dict[str, Any]:
    """The tables of a recipe in the folder. Raises GentkError in one line, also for names of so many parts (`a.a.a…`) that the reader
    would need minutes and gigabytes for them: its time grows with their square."""
    import tomllib

    raw, path = read_bytes(folder, name, MAX_RECIPE, "a recipe"), folder / name
    try:
        text = raw.decode("utf-8")
        if any(line.count(".") > DEPTH and _NUMBER.sub("", line).count(".") > DEPTH for line in text.split("\n")):
            raise GentkError(f"{path} is nested too deeply: a name of more than {DEPTH} parts, or a line of as many dots")
        found = tomllib.loads(text)
    except (RecursionError, MemoryError):
        raise GentkError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise GentkError(f"{path} is not TOML: {shown(error, 120)}") from None
    check_depth(found, path)
    return found


def check_depth(value: Any, path: Path) -> None:
    """Raises GentkError where lists and objects stand in each other more than DEPTH deep: whatever walks them calls itself."""
    level, depth = [value], 0
    while level := [v for v in level if isinstance(v, (dict, list))]:
        depth += 1
        if depth > DEPTH:
            raise GentkError(f"{path} is nested too deeply: at most {DEPTH} levels are read")
        level = [inner for v in level for inner in (v.values() if isinstance(v, dict) else v)]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key '{key}' appears twice")
        found[key] = value
    return found


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is out of range")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
