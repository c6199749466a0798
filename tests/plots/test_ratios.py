"""Dots of scores as multiples of the floor."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from gentk.plots.ratios import MARKERS, Dot, ratios, span
from gentk.style import NIGHT, WIDE, dark

MODELS = ["one", "two $x$"]
DOTS = {("gap ↓", "one"): Dot(1.5, 0.25), ("gap ↓", "two $x$"): Dot(4.0), ("recall ↑", "one"): Dot(0.5, 0.1), ("copies ↓", "one"): Dot(0.0)}


def lines() -> list[Line2D]:
    return list(ratios(["gap ↓", "recall ↑", "copies ↓"], MODELS, DOTS).axes[0].lines)


def test_dots_and_bars_stand_at_their_ratios() -> None:
    places = {(float(x), line.get_marker()) for line in lines() for x in np.atleast_1d(line.get_xdata())}  # type: ignore[arg-type]
    assert {(1.5, "o"), (4.0, "s"), (0.5, "o")} <= places and {(1.25, "None"), (1.75, "None")} <= places


def test_a_ratio_of_nothing_is_an_arrow_at_the_left_end() -> None:
    arrow = [line for line in lines() if line.get_marker() == "<"]
    assert len(arrow) == 1


def test_models_differ_by_more_than_their_colour() -> None:
    models = [f"m{i}" for i in range(6)]
    made = ratios(["gap"], models, {("gap", model): Dot(1.0 + i) for i, model in enumerate(models)})
    markers = [line.get_marker() for line in made.axes[0].lines if line.get_marker() in set(MARKERS)]
    assert len(set(markers)) == 6


def test_the_axis_holds_every_dot_and_the_floor() -> None:
    low, high = span(DOTS)
    assert low < 0.4 and high > 4.0
    low, high = span({("gap", "one"): Dot(3.0, 2.9)})
    assert 0.7 < low < 1 < high and high > 5.9
    assert span({})[0] < 1 < span({})[1]


@pytest.mark.parametrize("width", [WIDE, 3.4])
def test_the_night_side_has_a_dark_ground_and_light_letters(width: float) -> None:
    made = dark(ratios(["gap ↓"], MODELS, DOTS, width))
    assert to_hex(made.get_facecolor()) == to_hex(made.axes[0].get_facecolor()) == NIGHT
    letters = [label.get_color() for label in made.axes[0].get_yticklabels()]
    assert letters and all(sum(bytes.fromhex(to_hex(colour)[1:])) > 3 * 180 for colour in letters)
    dots = [line for line in made.axes[0].lines if line.get_marker() == "o"]
    assert to_hex(dots[0].get_color()) == to_hex(dots[0].get_markerfacecolor()) == "#6aa6dc"  # type: ignore[arg-type]
