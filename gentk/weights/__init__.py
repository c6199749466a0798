"""Weights: a folder of config.json and model.safetensors, made by `save`, read by `load`; nothing in it is ever run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .folder import fill, save

__all__ = ["fill", "load", "save"]


def load(name: str | Path, *, device: str = "cpu") -> Any:
    """The model that `name` says: a folder or run, an installed plugin (`ddpm`), or one of its recipes (`ddpm/swiss-roll`).

    In eval mode, with the sampler that its weights recommend. Raises UsageError where the name says nothing, GentkError where the
    weights are refused.
    """
    from .folder import read
    from .names import locate

    return read(locate(str(name)).folder, device=device)
