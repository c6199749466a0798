"""Scores as multiples of what real examples get: a row of dots per metric, a dot per model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..style import CLASSES, INK, PALE, RULE, WIDE, calm, literal, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "osD^vPX*"
HEIGHT, GAP = 0.13, 0.11  # inches of a dot's row, and between two metrics
LETTERS = 34  # of a name; longer ones are cut


class Dot(NamedTuple):
    """A ratio and its standard error, 0 where nobody knows it."""

    ratio: float
    error: float = 0.0


def ratios(metrics: Sequence[str], models: Sequence[str], dots: Mapping[tuple[str, str], Dot], width: float = WIDE) -> Figure:
    """Dots by (metric, model) on a logarithmic axis, with bars of one standard error; a model without a dot leaves its place empty.

    Each model has a marker and a colour of its own. A ratio of 0 stands at the left end, as an arrow.
    """
    rows = len(metrics) * (HEIGHT * len(models) + GAP)
    columns = 1 if width < WIDE else min(len(models), 4)
    lines = -(-len(models) // columns)
    made = sheet(width, 0.75 + rows + 0.22 * lines)
    axes = made.add_subplot(1, 1, 1)
    calm(axes)
    low, high = span(dots)
    axes.set(xscale="log", xlim=(low, high))
    axes.axvline(1.0, color=PALE, linewidth=1.0)
    ticks, top = [], 0.0
    for j, metric in enumerate(metrics):
        places = [top + GAP / 2 + HEIGHT * (i + 0.5) for i in range(len(models))]
        for i, model in enumerate(models):
            if (dot := dots.get((metric, model))) is not None:
                _dot(axes, dot, places[i], i, low)
        ticks.append(sum(places) / len(places))
        top += GAP + HEIGHT * len(models)
        if j + 1 < len(metrics):
            axes.axhline(top, color=RULE, linewidth=0.6)
    axes.set(ylim=(top, 0))
    axes.set_yticks(ticks, [literal(metric) for metric in metrics], fontsize=8.5, color=INK)
    axes.grid(visible=False, axis="y")
    _multiples(axes, low, high)
    axes.set_xlabel("multiple of the floor" + (": 1 is what real examples get" if width >= WIDE else ""), fontsize=8.5, color=PALE)
    handles = [_handle(i, cut(model)) for i, model in enumerate(models)]
    made.legend(handles=handles, loc="outside upper left", ncols=columns, frameon=False, fontsize=8.5, labelcolor=INK)
    return made


def span(dots: Mapping[tuple[str, str], Dot]) -> tuple[float, float]:
    """The ends of the axis: all dots and the floor, and their bars where these do not reach far."""
    found = [dot for dot in dots.values() if dot.ratio > 0]
    low = min([0.8, *(max(dot.ratio - dot.error, 0.7 * dot.ratio) for dot in found)])
    high = max([1.25, *(dot.ratio + dot.error for dot in found)])
    margin = (high / low) ** 0.04
    return low / margin, high * margin


def cut(name: str) -> str:
    return name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"


def _look(i: int) -> dict[str, Any]:
    return {"color": CLASSES[i % len(CLASSES)], "marker": MARKERS[i % len(MARKERS)], "markersize": 5.5, "linestyle": ""}


def _handle(i: int, name: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=literal(name), **_look(i))


def _dot(axes: Any, dot: Dot, y: float, i: int, low: float) -> None:
    if dot.ratio <= 0:
        axes.plot([0.01], [y], transform=axes.get_yaxis_transform(), **{**_look(i), "marker": "<"})
        return
    colour = CLASSES[i % len(CLASSES)]
    axes.plot([max(dot.ratio - dot.error, low), dot.ratio + dot.error], [y, y], color=colour, linewidth=1.3)
    axes.plot([dot.ratio], [y], **_look(i))


def _multiples(axes: Any, low: float, high: float) -> None:
    """Ticks such as 0.5, 1, 2, 10: round multiples, as many as there is room for."""
    for steps in ((1, 1.2, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        found = [step * 10.0**power for power in range(-6, 12) for step in steps if low <= step * 10.0**power <= high]
        if len(found) <= 8:
            break
    axes.set_xticks(found, [f"{one:g}" for one in found])
    axes.set_xticks([], minor=True)
