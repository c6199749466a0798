"""Reading a folder that nobody vouches for. No pickle is opened, no code is run, and nothing large is made before it was measured.

Order: config, plugin, header, names and shapes against a model built on the meta device, then the numbers. No flag turns a refusal
off. docs/security.md has the whole list.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import GentkError
from . import header as headers
from . import shards
from .config import check_plugins, read_config
from .files import CONFIG, INDEX, SHARD, TENSORS, allowed, member, read_json
from .fit import check_example, check_size, compare
from .header import Header

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CONFIG", "INDEX", "TENSORS", "Header", "allowed", "check_example", "check_plugins", "check_size", "compare", "files_of", "member",
    "parts", "read_config", "read_header", "read_json", "read_tensors",
]  # fmt: skip


def read_header(folder: Path, name: str | None = None) -> Header:
    """What the weights of a folder hold: model.safetensors, or shards and their index, or the one file `name`. Raises GentkError."""
    if name or not _sharded(folder):
        return headers.read_file(member(folder, name or TENSORS))
    return shards.read(folder)


def files_of(folder: Path) -> list[Path]:
    """The files with the numbers, in order. Raises GentkError where they are missing."""
    return [member(folder, name) for name in (shards.read_index(folder) if _sharded(folder) else [TENSORS])]


def _sharded(folder: Path) -> bool:
    indexed, whole = os.path.lexists(folder / INDEX), os.path.lexists(folder / TENSORS)
    if indexed and whole:
        raise GentkError(f"{folder} holds both {TENSORS} and {INDEX}, and nothing says which of them counts: remove one")
    if not indexed and not whole and folder.is_dir() and any(SHARD.fullmatch(path.name) for path in folder.iterdir()):
        raise GentkError(f"{folder} holds shards, but no {INDEX} that says what is in them: download it, or save again")
    return indexed


def parts(header: Header) -> Iterator[dict[str, Tensor]]:
    """The numbers, a few hundred megabytes at a time. All must be finite."""
    from .numbers import parts as read

    return read(header)


def read_tensors(header: Header) -> dict[str, Tensor]:
    """The numbers, all at once. All must be finite."""
    from .numbers import read_tensors as read

    return read(header)
