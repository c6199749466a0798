"""What a run needs to go on exactly: raw weights, averages, optimizers and a few numbers. One folder per checkpoint, renamed whole.

`state.json` holds the SHA-256 of every file beside it and of itself: a checkpoint that is read is the one that was written.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import GentkError

FORMAT = 2  # 1 had no digests
NUMBERS = "state.json"
LARGEST = 10_000_000  # bytes of state.json
KEPT = 2  # checkpoints: where the newest is damaged, the one before it is used
_NAME = re.compile(r"step-(\d{8,15})")


class File(BaseModel):
    """A file of a checkpoint, as it was written."""

    model_config = ConfigDict(strict=True, extra="forbid")
    size: int
    sha256: str


class Numbers(BaseModel):
    """What state.json must hold; what else the trainer puts there is handed back as it is."""

    model_config = ConfigDict(strict=True, extra="allow")
    format: int
    step: int
    last: dict[str, float]
    converged: bool = False
    best: float = math.inf
    stale: int = 0
    means: dict[str, list[float]] = {}
    recipe: dict[str, Any] = {}
    micro_batches: int = 0
    files: dict[str, File] = {}
    sha256: str = ""


class Checkpoint(NamedTuple):
    """A checkpoint that is whole: its folder, its tensors by file name, its numbers."""

    folder: Path
    tensors: dict[str, dict[str, Tensor]]
    numbers: dict[str, Any]


def write(folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], numbers: Mapping[str, Any]) -> None:
    """`folder/step-00001000/{NAME.safetensors …, state.json}`. Older checkpoints go only when the new one is complete; two are kept."""
    final = folder / f"step-{step:08d}"
    if not final.exists():
        temporary = folder / f".{final.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        files = {}
        for name, group in tensors.items():
            path = temporary / f"{name}.safetensors"
            save_file({key: value.detach().cpu().contiguous().clone() for key, value in group.items()}, str(path))
            files[path.name] = _digest(path)
        about = {**numbers, "format": FORMAT, "step": step, "files": files}
        (temporary / NUMBERS).write_text(json.dumps({**about, "sha256": _digest_of(about)}), "utf-8")
        os.replace(temporary, final)
    for old in checkpoints(folder)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints, newest first. What a killed run left half-written has a dot before its name and is passed over."""
    found = [(int(name.group(1)), path) for path in folder.glob("step-*") if (name := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint."""
    return next(iter(checkpoints(folder)), None)


def read(folder: Path) -> Checkpoint:
    """A checkpoint, compared with its digests. Raises GentkError if it is damaged, with the file and what is wrong with it."""
    numbers = _numbers(folder)
    if numbers.format == 1:
        files = sorted(path.name for path in folder.glob("*.safetensors"))
    else:
        files = sorted(numbers.files)
        for name, written in numbers.files.items():
            if _digest(_regular(folder / name)) != written.model_dump():
                raise GentkError(f"{folder / name} is not as it was written: its SHA-256 differs")
    try:
        tensors = {Path(name).stem: load_file(_regular(folder / name)) for name in files}
    except GentkError:
        raise
    except Exception as error:  # safetensors has errors of its own
        raise GentkError(f"{folder}: the saved state cannot be read ({_short(error)})") from None
    return Checkpoint(folder, tensors, numbers.model_dump())


def _numbers(folder: Path) -> Numbers:
    path = _regular(folder / NUMBERS)
    if path.stat().st_size > LARGEST:
        raise GentkError(f"{path} has {path.stat().st_size} bytes; at most {LARGEST} are read")
    try:
        raw = json.loads(path.read_text("utf-8"))
        found = Numbers.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise GentkError(f"{path}: {'.'.join(map(str, first['loc'])) or 'the file'}: {_short(first['msg'])}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise GentkError(f"{path} cannot be read ({_short(error)})") from None
    if found.format not in (1, FORMAT):
        raise GentkError(f"{path} has format {found.format}; this gentk reads formats 1 and {FORMAT}")
    if found.format == FORMAT and found.sha256 != _digest_of({key: value for key, value in raw.items() if key != "sha256"}):
        raise GentkError(f"{path} is not as it was written: its SHA-256 differs")
    if not (name := _NAME.fullmatch(folder.name)) or int(name.group(1)) != found.step:
        raise GentkError(f"{path} says step {found.step}, and its folder is {folder.name}")
    if any(Path(name).name != name for name in found.files):
        raise GentkError(f"{path} names files outside its folder")
    return found


def _regular(path: Path) -> Path:
    """The path, if a regular file is there: a FIFO would be waited for."""
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise GentkError(f"{path} is missing ({error.strerror})") from None
    if not stat.S_ISREG(mode):
        raise GentkError(f"{path} is no regular file")
    return path


def _digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _digest_of(about: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _short(error: object) -> str:
    return " ".join(str(error).split())[:120]
