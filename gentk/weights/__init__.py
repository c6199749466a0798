"""Weights: a folder of config.json and model.safetensors, made by `save`, read by `load`; nothing in it is ever run.

Finding and describing weights needs no torch, so the functions that do import it when they are called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["load", "save"]


def load(name: str | Path, *, device: str = "cpu") -> Any:
    """The model that `name` says: a folder or run, an installed plugin (`ddpm`), or one of its recipes (`ddpm/swiss-roll`).

    In eval mode, with the sampler that its weights recommend. Raises UsageError where the name says nothing, GentkError where the
    weights are refused.
    """
    from .folder import read
    from .names import locate

    return read(locate(str(name)).folder, device=device)


def save(
    model: Any, folder: str | Path, *, sampler: Any = None, recipe: str = "", dtype: str = "float32", shard_bytes: int = 5_000_000_000
) -> None:
    """Write `model` as weights: see `gentk.weights.folder.save`."""
    from .folder import save as write

    write(model, folder, sampler=sampler, recipe=recipe, dtype=dtype, shard_bytes=shard_bytes)
