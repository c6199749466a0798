"""What the pictures show is what they are given: places, orders, sizes. Figures are asked, not compared with stored ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gentk.cli.commands.plot.densities import lattice
from gentk.conditions import Label
from gentk.gaussian.schedules import Cosine, Karras, LinearBeta, Rectified
from gentk.inference.likelihood import log_prob
from gentk.modalities.image import Image
from gentk.modalities.points import Points
from gentk.plots import curves, panels, planes, states
from gentk.protocols import Batch, DataSpec, Leaf, Noise
from gentk.style import drawn, line

PLANE = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})
DIGITS = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 28, 28), range=(-1, 1))})
SPAN = ((-6.0, 6.0), (-5.0, 7.0))


class Gaussian(nn.Module):
    """Unit normal around (0, 1), its density in closed form."""

    data = PLANE
    conditions: dict[str, Label] = {}
    likelihood = "exact"

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        return -(batch["x"] - torch.tensor([0.0, 1.0])).square().sum(1) / 2 - math.log(2 * math.pi)


def nats(grid: int) -> Any:
    return log_prob(Gaussian(), {"x": lattice(SPAN, grid)}).reshape(grid, grid).numpy()


def test_the_density_over_the_grid_has_the_mass_of_one() -> None:
    cell = (12 / 59) ** 2
    assert np.exp(nats(60)).sum() * cell == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("grid", [7, 31])
def test_a_density_is_drawn_where_it_is(grid: int) -> None:
    """The middle of the brightest cell is the point that it was computed at, on a coarse grid too."""
    log_p = nats(grid)
    made = planes.density(log_p, SPAN, np.zeros((1, 2)), "")
    left, right, low, high = made.axes[0].get_images()[0].get_extent()
    row, column = np.unravel_index(log_p.argmax(), log_p.shape)
    drawn_at = left + (column + 0.5) * (right - left) / grid, low + (row + 0.5) * (high - low) / grid
    assert np.allclose(drawn_at, lattice(SPAN, grid)[log_p.argmax()]) and np.allclose(drawn_at, (0, 1))
    assert made.axes[0].get_xlim() == SPAN[0] and made.axes[0].get_ylim() == SPAN[1]


def test_a_density_says_what_its_colours_its_contours_and_its_dots_are() -> None:
    cloud = np.zeros((7, 2))
    made = planes.density(nats(20), SPAN, cloud, "", ("a", "b"))
    assert [text.get_text() for text in made.legends[0].get_texts()] == ["data, n = 7"] and made.axes[0].get_xlabel() == "a"
    assert "2.7 times" in made.axes[1].get_ylabel()
    both = np.stack([nats(20), nats(20)[::-1]])
    told = planes.classes(both, np.log([0.5, 0.5]), SPAN, cloud, None, "density", ["upper", "lower"])
    assert [text.get_text() for text in told.legends[0].get_texts()] == ["upper", "lower", "where the likelier class changes", "data"]
    shares = [float(word.strip(",")) for word in told.axes[0].get_title().split() if word.strip(",").replace(".", "").isdigit()]
    assert np.allclose(np.array(shares) / 100, np.exp(planes.LEVELS), rtol=0.05)


def test_a_density_of_numbers_of_different_units_fills_its_square() -> None:
    made = planes.density(nats(20), ((0.0, 1.0), (0.0, 1000.0)), np.zeros((1, 2)), "")
    made.canvas.draw()
    box = made.axes[0].get_window_extent()
    assert box.width == pytest.approx(box.height, rel=0.02)


def test_no_path_leaves_its_picture() -> None:
    bent = np.stack([np.array([[0.0, 0.0]]), np.array([[9.0, -7.0]]), np.array([[1.0, 1.0]])])
    made = planes.paths(bent, np.random.default_rng(0).normal(size=(500, 2)))
    (left, right), (low, high) = made.axes[0].get_xlim(), made.axes[0].get_ylim()
    assert left < 0 and right > 9 and low < -7 and high > 1


def test_panels_are_in_order_share_axes_and_fit_a_page() -> None:
    clouds = [np.random.default_rng(i).normal(size=(50, 2)) * (i + 1) for i in range(8)]
    made = panels.panels(clouds, [f"state {i}" for i in range(8)])
    assert [axes.get_title() for axes in made.axes] == [f"state {i}" for i in range(8)]
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in made.axes}) == 1
    for axes, cloud in zip(made.axes, clouds, strict=True):
        assert np.allclose(axes.collections[0].get_offsets(), cloud)
    assert drawn(made).width <= 1000


def test_panels_say_which_class_is_which_and_what_their_axes_are() -> None:
    about = Leaf(classes=2, names=("upper", "lower"))
    clouds = [np.random.default_rng(i).normal(size=(50, 2)) * (1, 100) for i in range(8)]
    made = panels.panels(clouds, ["step 0\nσ/α = 2"] * 8, np.arange(50) % 2, about, names=("width", "weight"), equal=False)
    assert [text.get_text() for text in made.legends[0].get_texts()] == ["upper", "lower"]
    assert [axes.get_xlabel() for axes in made.axes] == [""] * 4 + ["width"] * 4
    assert [axes.get_ylabel() for axes in made.axes] == ["weight", "", "", ""] * 2
    across, up = (np.diff(lim)[0] for lim in (made.axes[0].get_xlim(), made.axes[0].get_ylim()))
    assert up > 50 * across  # each in its own unit
    made.canvas.draw()
    top = made.bbox.height
    assert all(axes.title.get_window_extent().y1 <= top for axes in made.axes)
    assert made.axes[0].get_window_extent().y0 - made.axes[4].title.get_window_extent().y1 > 15  # a title is near its own panel


@pytest.mark.parametrize("n", range(1, 41))
def test_there_is_a_place_for_every_panel_and_no_empty_row(n: int) -> None:
    rows, columns = panels.layout(n)
    assert (rows - 1) * columns < n <= rows * columns and columns <= panels.PER_ROW


@pytest.mark.parametrize("n", [1, 6, 50])
@pytest.mark.parametrize("columns", [2, 8, 15])
def test_strips_of_images_fit_a_page(n: int, columns: int) -> None:
    strip = states.strip([torch.zeros(n, 1, 28, 28)] * columns, ["t = 0.00283\nσ/α = 0.226"] * columns, Image(), DIGITS)
    assert strip.width <= 1060


def test_the_columns_of_a_strip_are_its_states_from_left_to_right() -> None:
    shades = [-1.0, 0.0, 1.0]
    strip = np.asarray(states.strip([torch.full((1, 1, 28, 28), s) for s in shades], ["a", "b", "c"], Image(), DIGITS).convert("L"))
    middle = strip[strip.shape[0] // 2 + 12]
    third = len(middle) // 3
    assert [int(middle[third // 2 + i * third]) for i in range(3)] == [0, 128, 255]


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 300])
def test_points_of_any_dimension_and_number_are_drawn(n: int, d: int) -> None:
    spec = DataSpec(modality="points", leaves={"x": Leaf(shape=(d,))}, conditions={"label": Leaf(classes=3)})
    cond = {"label": torch.arange(n) % 3}
    strip = states.strip([torch.randn(n, d) for _ in range(3)], ["a", "b", "c"], Points(), spec, cond)
    assert 400 < strip.width <= 1000 and np.asarray(strip).std() > 5


def test_exact_ends_and_exploding_paths_keep_the_axes_of_the_schedules() -> None:
    made = curves.schedules({"rectified": Rectified(), "cosine": Cosine(), "karras": Karras(), "linear": LinearBeta()})
    alpha, sigma, log_snr = made.axes
    assert sigma.get_ylim()[1] < 1.1 and log_snr.get_ylim() == (-16, 16)
    assert np.allclose(alpha.lines[0].get_ydata(), 1 - np.asarray(alpha.lines[0].get_xdata()))
    drawn(made)  # infinite at both ends, and yet a picture
    alone = curves.schedules({"karras": Karras(5.0)}).axes[1]
    assert alone.get_ylim()[1] > 5


def test_neighbouring_curves_differ_in_colour_and_in_dashes() -> None:
    """Curves that coincide, as those of linear and zero-terminal do, are both seen."""
    for i in range(12):
        one, next_one = line(i), line(i + 1)
        assert one["color"] != next_one["color"] and one["linestyle"] != next_one["linestyle"]
