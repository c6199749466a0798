"""How many decimals somebody wrote numbers with: what is drawn is to be written so too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ROUNDED = 5  # decimals that somebody chose; with more, nobody did


def of_texts(texts: Sequence[str], mark: str) -> int | None:
    """How many decimals numbers are written with at most: 2 of prices. None where they are so many that nobody rounded."""
    if any(c in "eEnN" for text in texts for c in text):  # 1e-3, inf: nothing is said of decimals
        return None
    most = max(sum(c.isdigit() for c in text.partition(mark)[2]) for text in texts)
    return most if most <= ROUNDED else None


def of_values(values: NDArray[np.float64]) -> int:
    """How many decimals as many as all but one in fifty of the values need. A wine's 9.899999 among numbers of two decimals is 9.9."""
    needed = sorted(len(np.format_float_positional(value, trim="-").partition(".")[2]) for value in values.tolist())
    return needed[len(needed) - 1 - len(needed) // 50]


def rounded(values: NDArray[np.float64]) -> int | None:
    """The same, None where they are so many that nobody rounded."""
    most = of_values(values) if np.isfinite(values).all() else None
    return most if most is not None and most <= ROUNDED else None
