"""A metric over rows that come whole, in parts, or through several ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest
from torch import Tensor

from gentk.protocols import Batch, Metric, Score, Side

Sides = Mapping[str, Batch]  # rows of "generated", "real" and "training"


def fed(make: Callable[[], Any], sides: Sides, part: int | None = None) -> Any:
    """A metric that has seen these rows, `part` at a time."""
    metric: Metric = make()
    for side, rows in sides.items():
        n = len(next(iter(rows.values())))
        for start in range(0, n, part or max(n, 1)):
            metric.update(cast(Side, side), {key: value[start : start + (part or n)] for key, value in rows.items()})
    return metric


def scores(metric: Any) -> dict[str, Score]:
    found = metric.compute()
    return {one.name: one for one in (found if isinstance(found, Sequence) else [found])}


def measured(make: Callable[[], Any], sides: Sides) -> dict[str, Score]:
    return scores(fed(make, sides))


def same_however_parted(make: Callable[[], Any], sides: Sides) -> None:
    """Asserts that parts of 1, of 7 and of all rows say the same, and so do three ranks, of which a fourth has seen nothing."""
    whole = measured(make, sides)
    for part in (1, 7):
        _equal(whole, scores(fed(make, sides, part)))
    thirds = [fed(make, {side: _third(rows, rank) for side, rows in sides.items()}) for rank in range(3)]
    for other in (*thirds[1:], make()):
        thirds[0].merge(other.state())
    _equal(whole, scores(thirds[0]))


def _third(rows: Batch, rank: int) -> dict[str, Tensor]:
    return {key: value[rank * len(value) // 3 : (rank + 1) * len(value) // 3] for key, value in rows.items()}


def _equal(a: Mapping[str, Score], b: Mapping[str, Score]) -> None:
    assert list(a) == list(b)
    for name, one in a.items():
        assert b[name].value == pytest.approx(one.value, rel=1e-9, abs=1e-9), name
        assert (b[name].error or 0) == pytest.approx(one.error or 0, rel=1e-9, abs=1e-9), name
        assert b[name].parameters == one.parameters
