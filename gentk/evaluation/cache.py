"""Samples and features on disk, by what they were made from: who was stopped goes on, and a larger n begins where a smaller one ended."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load, save
from torch import Tensor

from ..files import replacing

MOST = 5_000_000_000  # bytes kept; what was used longest ago goes first


def place() -> Path:
    """`$GENTK_CACHE/evaluation`, else in ~/.cache/gentk."""
    return Path(os.environ.get("GENTK_CACHE") or Path.home() / ".cache/gentk").expanduser() / "evaluation"


def digest(*parts: str | Mapping[str, Tensor]) -> str:
    """One key for texts and named tensors: sha256 of their names, shapes and bytes."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            found.update(f"{len(part)}:{part}".encode())
            continue
        for name, tensor in sorted(part.items()):
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
            found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


@contextmanager
def opened(kept: bool) -> Iterator[Cache]:
    """The user's, pruned afterwards; or one that is gone then."""
    if kept:
        yield (cache := Cache(place()))
        cache.prune()
        return
    with TemporaryDirectory(prefix="gentk-evaluation-") as folder:
        yield Cache(Path(folder))


class Cache:
    """A folder of named tensors. What cannot be read is made again, what cannot be written is not kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tensors(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """What was kept under `key`, else what `make` gives."""
        path = self.folder / key[:2] / f"{key}.safetensors"
        with suppress(Exception):  # it is missing, cut short, or was written by another version
            found = load(path.read_bytes())
            with suppress(OSError):  # a cache that is somebody else's is read all the same
                os.utime(path)
            return found
        made = {name: tensor.contiguous() for name, tensor in make().items()}
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(save(made))
        return made

    def prune(self, most: int = MOST) -> None:
        """Removes what was used longest ago, until `most` bytes are left."""
        kept = 0
        for stat, path in sorted(((path.stat(), path) for path in self.folder.glob("??/*.safetensors")), key=lambda one: -one[0].st_mtime):
            kept += stat.st_size
            if kept > most:
                path.unlink(missing_ok=True)
