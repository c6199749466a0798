"""States along a path, from data to noise or back, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .style import beside

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

    from ..modalities import Modality
    from ..protocols import DataSpec, Schedule


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


def strip(
    states: Iterable[Tensor], titles: Sequence[str], kind: Modality, data: DataSpec, cond: dict[str, Any] | None = None
) -> PIL.Image.Image:
    """One column per state: examples below each other, or clouds of points with one pair of axes."""
    frames = kind.frames([{"x": state, **(cond or {})} for state in states], data, columns=1)
    return beside([small(frame) for frame in frames], titles)


def small(picture: PIL.Image.Image, most: int = 300) -> PIL.Image.Image:
    """At most so wide: a row of ten must fit a screen."""
    if picture.width <= most:
        return picture
    return picture.resize((most, round(picture.height * most / picture.width)))


def chosen(total: int, columns: int) -> list[int]:
    """Which of the states 0 … total to show: so many, both ends among them, evenly."""
    count = min(columns, total + 1)
    return sorted({round(i * total / max(count - 1, 1)) for i in range(count)})
