"""Which examples belong to which split. Deterministic: no seed, no state, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gentk.errors import UsageError, did_you_mean

from .counters import uniforms

SPLITS = ("train", "test")


def checked(split: str, dataset: str) -> str:
    """`split`, if there is one of that name. Raises UsageError."""
    if split not in SPLITS:
        raise UsageError(f"data set {dataset} has no split '{split}'{did_you_mean(split, SPLITS)}")
    return split


def rows(order: Sequence[float] | NDArray[np.float64], share: float, split: str) -> NDArray[np.int64]:
    """The sorted indices of a split: those with the smallest `order` are `test`, at least one of them and never all."""
    n = len(order)
    held = min(max(round(share * n), 1), n - 1) if share > 0 and n > 1 else 0
    ranked = np.argsort(np.asarray(order), kind="stable").astype(np.int64)
    return np.sort(ranked[:held] if split == "test" else ranked[held:])


def shuffled_rows(n: int, share: float, split: str) -> NDArray[np.int64]:
    """`rows` of n examples that have no names, in an order drawn from their positions."""
    return rows(uniforms("split", np.arange(n), 1)[:, 0], share, split)
