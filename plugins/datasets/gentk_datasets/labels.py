"""Classes as files say them: numbers, whatever their type and size, or names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentk.errors import UsageError

CLASSES = 1_000_000  # as a config.json may have
PLAIN = 10_000  # largest number that is taken for the place of a class, though some below it do not occur


def classes_of(values: NDArray[Any], where: str, names: Sequence[str] = ()) -> tuple[NDArray[np.int64], tuple[str, ...], int]:
    """(the class of each example (n,), the classes' names if they need any, how many there are).

    Whole numbers from 0 are the classes themselves. Large ones and texts are classes in their order, and their own names. Raises UsageError
    for what is neither whole nor text, for negative numbers, and for more classes than a model can have.
    """
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1:
        raise UsageError(f"{where} has the shape {values.shape}: a class is one number or name for each example")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.round(values)).any():
            wrong = values[~(np.isfinite(values) & (values == np.round(values)))][0]
            raise UsageError(f"{where} holds {wrong:g}: classes are whole numbers, or names")
        values = values.astype(np.int64) if np.abs(values).max(initial=0) < 2**62 else values
    if values.dtype.kind not in "iubUf":
        raise UsageError(f"{where} holds {values.dtype}: classes are whole numbers, or names")
    if values.dtype.kind != "U" and values.min(initial=0) < 0:
        raise UsageError(f"{where} holds negative numbers ({values.min()}): classes count from 0, or are told by names")
    if values.dtype.kind != "U" and values.max(initial=0) < PLAIN:
        found = values.astype(np.int64)
        return found, tuple(names), int(found.max(initial=0)) + 1
    known, found = np.unique(values, return_inverse=True)
    if len(known) > CLASSES:
        raise UsageError(f"{where} has {len(known):,} different values: classes are {CLASSES:,} at most")
    if len(known) > max(2, len(values) // 2) and values.dtype.kind != "U":
        raise UsageError(f"{where} has {len(known):,} different values for {len(values):,} examples: these are numbers, not classes")
    return found.astype(np.int64), tuple(str(value) for value in known.tolist()), len(known)
