"""How far draws are from data."""

from __future__ import annotations

from gentk.protocols import Batch


def radius_error(generated: Batch, real: Batch) -> float:
    """The difference of the mean distances from the origin, in the data's units."""
    far, near = (float(batch["x"].double().flatten(1).norm(dim=1).mean()) for batch in (generated, real))
    return abs(far - near)
