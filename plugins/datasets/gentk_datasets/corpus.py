"""Text in files, document by document, and its tokens in one row: in memory, or, where they are many, in a file that is mapped."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentk.errors import UsageError
from gentk.modalities.cells import opened, read_text

from . import store

SUFFIXES = (".txt", ".text", ".md", ".jsonl")
"""Files that a folder's texts are read from."""
HELD = 64_000_000
"""Bytes of text above which the tokens lie in a file."""
SLICE = 1 << 20  # characters of a long document that are cut together
Ints = NDArray[np.integer[Any]]


def files(path: Path) -> list[Path]:
    """The file, or the texts in a folder and those below it, in order. Raises UsageError where there is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UsageError(f"text {path}: there is no such file; name one as text:PATH")
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if not found:
        raise UsageError(f"text {path}: there is no text in this folder; texts are {', '.join(SUFFIXES)}")
    return found


def stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells these files from others, and from themselves after a change: of each its path, size and time."""
    return tuple((str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files(path))


def documents(path: Path, encoding: str = "") -> Iterator[str]:
    """The text of each file, of a .jsonl that of each line, one at a time. Raises UsageError, naming file and line."""
    for file in files(path):
        if file.suffix.lower() == ".jsonl":
            yield from _objects(file, encoding)
        else:
            yield read_text(file, encoding)


def _objects(file: Path, encoding: str) -> Iterator[str]:
    with opened(file, encoding) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError):
                text = None
            if not isinstance(text, str):
                raise UsageError(f"text {file}, line {number}: a .jsonl has an object with a text under the key 'text' on each line")
            yield text


def sliced(text: str) -> Iterator[str]:
    """A long text in parts that end with a line where they can, so that no token is cut in two."""
    start = 0
    while start < len(text):
        end = min(start + SLICE, len(text))
        if end < len(text):
            line = text.rfind("\n", start, end)
            end = line + 1 if line > start else end
        yield text[start:end]
        start = end


def as_row(path: Path, key: Sequence[object], parts: Callable[[], Iterator[Sequence[int]]]) -> Ints:
    """All tokens in one row. Above `HELD` bytes of text they are written to a file of the cache, named by what the texts and `key` are,
    which the next call maps again: the memory that this takes does not grow with the text."""
    about = stamp(path)
    if sum(size for _, size, _ in about) <= HELD:
        arrays = [np.asarray(part, np.int32) for part in parts()]
        return np.concatenate(arrays) if arrays else np.zeros(0, np.int32)
    name = hashlib.sha256(json.dumps([about, [str(one) for one in key]]).encode()).hexdigest()[:32]
    target = store.root() / "tokens" / f"{name}.int32"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(f".{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                for part in parts():
                    np.asarray(part, np.int32).tofile(file)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    return np.memmap(target, np.int32, "r") if target.stat().st_size else np.zeros(0, np.int32)
