"""States along a path, from data to noise or back, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..modalities.base import leaf
from ..style import beside, drawn
from .panels import panels

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

    from ..modalities import Modality
    from ..protocols import DataSpec, Schedule

NARROW, WIDEST, PAGE = 60, 180, 960
"""Pixels: the least that a title needs, the most that a column gets, and all of them together."""


def noised(x: Tensor, eps: Tensor, schedule: Schedule, times: Sequence[float]) -> list[Tensor]:
    """α x + σ ε at each time, with the one ε."""
    from ..gaussian.schedules import at

    return [alpha * x + sigma * eps for alpha, sigma in (at(schedule, t) for t in times)]


def viewable(x: Tensor, schedule: Schedule, t: float) -> Tensor:
    """x_t / √(α² + σ²): on every path in the range of the data and of unit noise, so that an exploding one can be seen."""
    from ..gaussian.schedules import at

    return x / math.hypot(*at(schedule, t))


def title(schedule: Schedule, t: float) -> str:
    from ..gaussian.schedules import at

    alpha, sigma = at(schedule, t)
    level = "∞" if alpha == 0 else f"{sigma / alpha:.3g}"
    return f"t = {t:.3g}\nσ/α = {level}"


Two = tuple[Sequence[int], Sequence[str], bool]
"""Which numbers of a vector are shown, what the axes are called, and whether each has units of its own."""


def strip(
    states: Iterable[Tensor],
    titles: Sequence[str],
    kind: Modality,
    data: DataSpec,
    cond: dict[str, Any] | None = None,
    two: Two | None = None,
) -> PIL.Image.Image:
    """Vectors: a panel per state, with one pair of axes (`two`: of which numbers). Anything else: a column per state, examples below each
    other."""
    seen, cond = list(states), cond or {}
    if len(data.shape) == 1:
        labels = leaf(cond, "label").reshape(-1) if "label" in cond else None
        places, names, units = two or (range(min(2, data.shape[0])), ("", ""), False)
        clouds = [leaf({"x": state})[:, list(places)] for state in seen]
        return drawn(panels(clouds, titles, labels, data.conditions.get("label"), names=names, equal=not units))
    frames = kind.frames([{"x": state, **cond} for state in seen], data, columns=1)
    return beside([fitted(frame, len(seen)) for frame in frames], titles)


def fitted(picture: PIL.Image.Image, columns: int) -> PIL.Image.Image:
    """As wide as a column may be where so many fill a page, and never too narrow for its title."""
    from PIL import Image

    width = max(NARROW, min(WIDEST, PAGE // columns))
    if picture.width > width:
        return picture.resize((width, max(1, round(picture.height * width / picture.width))), Image.Resampling.BOX)
    times = math.ceil(NARROW / picture.width)
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def chosen(total: int, columns: int) -> list[int]:
    """Which of the states 0 … total to show: so many, both ends among them, evenly."""
    count = min(columns, total + 1)
    return sorted({round(i * total / max(count - 1, 1)) for i in range(count)})
