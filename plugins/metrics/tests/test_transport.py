"""Wasserstein and energy distances, and diversity, against sorted values, scipy and geomloss."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from geomloss import SamplesLoss
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist
from scipy.stats import energy_distance, wasserstein_distance

from plugins.metrics.tests.two_sets import measured, normal, value


def test_w2_is_of_sorted_values_on_a_line() -> None:
    x, y = normal(80, 1) * 2 + 1, normal(80, 1, 1)
    exact = float((x.sort(0).values - y.sort(0).values).square().mean().sqrt())
    assert value("w2", x, y) == pytest.approx(exact, abs=1e-12)
    for projections in (1, 30):  # every direction is the line's
        assert value("sliced-w2", x, y, projections=projections) == pytest.approx(exact, abs=1e-12)
    assert exact != pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]), rel=1e-2)  # the order is 2


def test_w2_is_the_best_assignment() -> None:
    x, y = normal(60, 3) + 0.4, normal(60, 3, 1)
    cost = cdist(x, y, "sqeuclidean")
    assert value("w2", x, y) == pytest.approx(cost[linear_sum_assignment(cost)].mean() ** 0.5, abs=1e-12)
    assert value("w2", x, x.repeat(2, 1)) == pytest.approx(0, abs=1e-9)


def test_a_shift_is_told_as_it_is() -> None:
    x, shift = normal(100, 4), torch.tensor([3.0, 0, -4, 0], dtype=torch.float64)
    assert value("w2", x + shift, x) == pytest.approx(5, abs=1e-12)
    sliced = value("sliced-w2", x + shift, x, projections=2000)
    assert sliced == pytest.approx(5 / 2, rel=0.05)  # E (θᵀs)² = |s|²/d


def test_w2_takes_the_first_2000_rows_and_says_so() -> None:
    x, y = normal(2500, 1), normal(100, 1, 1)
    score = measured("w2", x, y)["w2"]
    assert score.parameters == {"rows": 2000} and score.value == value("w2", x[:2000], y)
    assert not measured("w2", x[:2000], y)["w2"].parameters


def test_sliced_w2_is_over_its_directions() -> None:
    x, y = normal(50, 5) + 0.5, normal(50, 5, 1)
    directions = ot.sliced.get_random_projections(5, 200, seed=0, type_as=x.numpy())
    apart = np.sort(x.numpy() @ directions, 0) - np.sort(y.numpy() @ directions, 0)
    assert value("sliced-w2", x, y) == pytest.approx(np.sqrt((apart**2).mean()), abs=1e-12)
    np.random.seed(5)
    assert value("sliced-w2", x, y) == value("sliced-w2", x, y)


def test_energy_is_scipys_squared_and_twice_geomlosss() -> None:
    x, y = normal(70, 1) * 1.5, normal(90, 1, 1)
    assert value("energy", x, y) == pytest.approx(energy_distance(x[:, 0], y[:, 0]) ** 2, abs=1e-12)
    x, y = normal(70, 6) + 0.3, normal(90, 6, 1)  # geomloss takes no distance for less than 1e-4, not even a row's from itself
    assert value("energy", x, y) == pytest.approx(2 * float(SamplesLoss("energy")(x, y)) + 1e-4 * (1 / 70 + 1 / 90), abs=1e-9)
    assert 0 <= value("energy", x, x.flip(0)) < 1e-12


def test_diversity_is_the_mean_distance() -> None:
    x = normal(60, 4)
    score = measured("diversity", x, normal(3, 4))["diversity"]
    assert score.value == pytest.approx(pdist(x).mean(), abs=1e-12) and score.better == "floor"
    for offset in (0, 1e5, 0.1):
        assert value("diversity", normal(1, 4).repeat(50, 1) + offset, x) == 0
    mixed = torch.cat([x[:2].repeat(20, 1), x])
    assert value("diversity", mixed, x) == pytest.approx(pdist(mixed).mean(), abs=1e-12)
