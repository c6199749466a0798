"""Weights of the Hub as a plain folder: everything that weights consist of, the card and the preview included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import text
from ..errors import GentkError, UsageError
from .config import check_plugins, read_config
from .files import SHARD, allowed, copied, size_of
from .hub import cache
from .hub.reading import complete, describe, fetched, once, repository
from .safety import files_of


@dataclass(frozen=True)
class Pulled:
    """What `pull` did. `note`: why the weights could not be checked against their plugin, if they could not."""

    folder: Path
    repo: str
    sha: str
    files: Sequence[str]
    bytes: int
    note: str


def pull(name: str, out: str | Path | None = None) -> Path:
    """Copy the weights `user/repo` or `user/repo@revision` into the new folder `out` (default: one here, called as the repository).

    Every file is compared with what the Hub says of it; where the plugin is installed, the weights are checked as by `load`. Returns the
    folder. Raises UsageError for a folder that is not empty or a name that is none of the Hub, GentkError for what is refused.
    """
    return pulled(name, out).folder


def pulled(name: str, out: str | Path | None = None) -> Pulled:
    """`pull`, and what there is to say about it."""
    from ..files import replacing_folder

    found = repository(name)
    if found is None:
        raise UsageError(f"'{name}' is no repository of the Hub: those are written USER/REPO or USER/REPO@REVISION")
    target = Path(out).expanduser() if out is not None else Path(found[0].rpartition("/")[2])
    place = _free(target)
    with once():
        folder = describe(*found)
        note = _unread(folder)
        numbers = {path.name for path in files_of(complete(folder))}
        wanted = [file for file in _here(fetched(*found, lambda file: _belongs(file, numbers)).folder) if _belongs(file, numbers)]
    if not note:
        _check(folder)
    size = sum(size_of(folder / file) for file in wanted)
    if size > (free := cache.free(place)):
        raise GentkError(f"{found[0]} needs {text.size(size)}, and {text.size(free)} are free at {place.parent}: make room")
    with replacing_folder(place) as temporary:
        for file in wanted:
            (temporary / file).parent.mkdir(parents=True, exist_ok=True)
            copied(folder / file, temporary / file)
    return Pulled(target, found[0], folder.name, wanted, size, note)


def _free(target: Path) -> Path:
    """The absolute path, its parents made. Raises UsageError: nobody's files are replaced."""
    if str(target) == "-":
        raise UsageError("weights are a folder, which cannot be written to stdout: give --out a name")
    try:
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            raise UsageError(f"{target} is not empty: give a new folder with --out")
        path = target.absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}") from error
    return path


def _belongs(name: str, numbers: set[str]) -> bool:
    """Whether a file is part of the weights; of shards, those that the index lists."""
    return allowed(name) and (name in numbers or not SHARD.fullmatch(name))


def _here(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]


def _unread(folder: Path) -> str:
    """Why no plugin here can read these weights. Raises GentkError for a config that none could."""
    config = read_config(folder)
    try:
        check_plugins(config)
    except GentkError as error:
        return str(error)
    return ""


def _check(folder: Path) -> None:
    """Names, shapes and types against the model that the config describes, as before loading. Raises GentkError."""
    from .folder import measured

    measured(folder, read_config(folder))
