"""Pictures of latents, of class densities, of pairs: places and orders, asked of the figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gentk.cli.commands.plot.densities import lattice
from gentk.cli.commands.plot.latents import quantiles, titles
from gentk.errors import UsageError
from gentk.modalities.image import GROUND, Image
from gentk.plots import latents, planes
from gentk.plots.rows import alternating, rows
from gentk.protocols import DataSpec, Leaf
from gentk.style import CLASSES

SPAN = ((-3.0, 3.0), (-3.0, 3.0))
DIGITS = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 8, 8), range=(-1, 1))})


# ---------------------------------------------------------------- latents
def test_principal_components_are_those_of_the_covariance() -> None:
    z = np.random.default_rng(0).normal(size=(500, 4)) * [1, 5, 0.5, 3] + 7
    shown, held = latents.principal(z)
    values, vectors = np.linalg.eigh(np.cov(z.T))
    assert held == pytest.approx(values[::-1][:2] / values.sum())
    for i in range(2):
        along = (z - z.mean(0)) @ vectors[:, -1 - i]
        assert np.allclose(np.abs(shown[:, i]), np.abs(along))
    assert titles(held)[0] == f"principal component 1 ({held[0]:.0%} of the variance)" and titles([]) == ("z₁", "z₂")


def test_each_class_has_its_colour_and_its_name() -> None:
    z, label = np.random.default_rng(1).normal(size=(30, 2)), np.arange(30) % 3
    made = latents.latent(z, ("a", "b"), label, ("zero", "one"))
    axes = made.axes[0]
    for k, cloud in enumerate(axes.collections):
        assert np.allclose(cloud.get_offsets(), z[label == k]) and cloud.get_label() == ("zero", "one", "2")[k]
    assert len({tuple(cloud.get_facecolor()[0][:3]) for cloud in axes.collections}) == 3
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a", "b") and axes.get_legend() is not None
    assert latents.latent(z, ("a", "b")).axes[0].get_legend() is None
    assert len({latents.colour(k, 50) for k in range(50)}) == 50 and latents.colour(3, 10) == CLASSES[3]


def test_one_latent_is_a_histogram_that_counts_all() -> None:
    made = latents.latent(np.linspace(-1, 1, 80)[:, None], ("z", ""), np.arange(80) % 2)
    assert sum(patch.get_height() for patch in made.axes[0].patches) == 80


def test_the_manifold_is_walked_at_the_quantiles_of_the_normal_law() -> None:
    from scipy.stats import norm

    z = quantiles(Any, (4,), 20, "2,1").view(20, 20, 4)  # type: ignore[arg-type]
    at = norm.ppf((np.arange(20) + 0.5) / 20)
    assert np.allclose(z[7, :, 2], at, atol=1e-6)  # the first to the right
    assert np.allclose(z[:, 7, 1], at[::-1], atol=1e-6)  # the second upwards
    assert bool((z[..., [0, 3]] == 0).all())
    assert quantiles(Any, (1, 2, 2), 3, "0,3").shape == (9, 1, 2, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("axes", ["0", "0,0", "0,4", "-1,0", "a,b", "0,1,2"])
def test_axes_that_are_not_two_latents_are_refused(axes: str) -> None:
    with pytest.raises(UsageError, match="two different numbers of 0 to 3"):
        quantiles(Any, (4,), 3, axes)  # type: ignore[arg-type]


# ---------------------------------------------------------------- rate and distortion
POINTS = [("one", 27.5, 67.4), ("four", 10.3, 101.7), ("ten", 3.3, 149.3)]


@pytest.mark.parametrize("points", [POINTS, POINTS[:1], [("a", 2.0, 0.31), ("b", 1.0, -0.8)]])
def test_models_lie_at_rate_and_distortion_over_lines_of_one_sum(points: list[tuple[str, float, float]]) -> None:
    axes = latents.rate_distortion(points).axes[0]
    dots, *lines = axes.lines
    assert list(zip(dots.get_xdata(), dots.get_ydata(), strict=True)) == [point[1:] for point in points]
    sums = [float(x + y) for line in lines for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]
    assert len(lines) > 3 and np.allclose(sums[::2], sums[1::2]) and len(set(np.round(sums, 9))) == len(lines)
    said = {text.get_text(): text.xy for text in axes.texts}
    assert [said[name] for name, *_ in points] == [point[1:] for point in points]
    named = {word: sum(place) for word, place in said.items() if word not in [name for name, *_ in points]}
    assert len(named) > 2 and all(float(word) == pytest.approx(total) for word, total in named.items())  # each line says its own sum


# ---------------------------------------------------------------- classes
def test_the_boundary_is_where_the_posteriors_are_equal() -> None:
    """N(±1, I) with priors 1/4, 3/4: log odds 2x + log 3, so the line x = −log 3 / 2."""
    x = lattice(SPAN, 121).numpy()
    nats = np.stack([-0.5 * ((x - [m, 0]) ** 2).sum(1) for m in (-1, 1)]).reshape(2, 121, 121)
    made = planes.classes(nats, np.log([0.25, 0.75]), SPAN, x[:2], np.array([0, 1]), "", ("low", "high"))
    axes = made.axes[0]
    black = [c for c in axes.collections if np.allclose(c.get_edgecolor()[:, :3], np.array([0x1F, 0x29, 0x37]) / 255) and c.get_paths()]
    line = np.concatenate([path.vertices for c in black for path in c.get_paths()])
    assert np.allclose(line[:, 0], -np.log(3) / 2, atol=1e-6) and np.ptp(line[:, 1]) > 5.9
    ground = axes.get_images()[0].get_array()
    assert np.ptp(ground[:, :40].reshape(-1, 3), 0).max() == 0 and np.abs(ground[60, 10] - ground[60, 110]).max() > 0.05


def test_contours_are_nats_below_each_classes_highest_density() -> None:
    x = lattice(SPAN, 241).numpy()
    nats = (1.7 - 0.5 * (x**2).sum(1)).reshape(1, 241, 241)
    made = planes.classes(nats, np.zeros(1), SPAN, x[:1], None, "", ("all",))
    (rings,) = [c for c in made.axes[0].collections if len(c.get_paths()) == len(planes.LEVELS)]
    radii = [np.hypot(*path.vertices.T) for path in rings.get_paths()]
    for radius, level in zip(radii[1:], planes.LEVELS[1:], strict=True):  # the outermost is cut by the limits
        assert np.allclose(radius, np.sqrt(-2 * level), atol=2e-3)


# ---------------------------------------------------------------- rows
def test_groups_stand_below_each_other() -> None:
    a = torch.arange(12.0).view(12, 1)
    found, columns = alternating([a, -a])
    table = found[:, 0].view(-1, columns)
    assert columns == 10 and table[0].tolist() == list(range(10)) and table[1].tolist() == [-v for v in range(10)]
    blank = GROUND / 127.5 - 1
    assert table[2].tolist() == [10, 11] + [pytest.approx(blank)] * 8 and table[3, :2].tolist() == [-10, -11]


def test_what_is_hidden_is_grey_and_what_is_missing_to_a_full_row_is_ground() -> None:
    x = torch.full((11, 1, 8, 8), -1.0)
    picture = np.asarray(rows([x, torch.full_like(x, float("nan"))], Image(), DIGITS).convert("L"))
    assert set(np.unique(picture)) == {0, GROUND, 128}
