"""What a metric asks of the rows it was given, before it computes."""

from __future__ import annotations

import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.evaluation import Collected
from gentk.protocols import Batch, Side


class OfSamples(Collected):
    """A metric that looks at generated examples alone."""

    def update(self, side: Side, rows: Batch) -> None:
        if side == "generated":
            super().update(side, rows)


def given(metric: Collected, side: Side, *keys: str, least: int = 1, gaps: bool = False, advice: str = "leave them out") -> list[Tensor]:
    """Return the tensors `keys` (n, …) of all rows of a side.

    Raises GentkError if there are fewer than `least` rows, if a key is missing, or if a number is not finite; NaN passes with `gaps`.
    """
    rows = metric.rows(side)
    found, who = [], f"{type(metric).__name__} of {side} examples"
    for key in keys:
        if key not in rows and rows:
            raise GentkError(f"{who} needs {key!r}, and the rows have only {', '.join(map(repr, sorted(rows)))}")
        n = len(rows.get(key, ()))
        if n < least:
            raise GentkError(f"{who} needs at least {least} of them, and there are {n}")
        found.append(finite(rows[key], f"{who}: {key!r}", gaps=gaps, advice=advice))
    return found


def finite(x: Tensor, what: str, *, gaps: bool = False, advice: str = "leave them out") -> Tensor:
    """Return x. Raises GentkError if a number of it is infinite or, without `gaps`, NaN."""
    bad = torch.isinf(x) if gaps else ~torch.isfinite(x)
    if bad.any():
        examples = int(bad.flatten(1).any(1).sum() if bad.ndim > 1 else bad.sum())
        raise GentkError(f"{what} is not finite in {examples} of {len(x)} examples: {advice}")
    return x
