"""Kernel distances against torchmetrics, closed forms and sums written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist
from torchmetrics.image.kid import poly_mmd

from gentk.errors import GentkError
from plugins.metrics.tests.two_sets import measured, normal, value


def test_kid_of_all_rows_is_torchmetrics() -> None:
    for d in (2, 64):
        x, y = normal(80, d) + 0.2, normal(80, d, 1)
        for size in (80, 1000):
            score = measured("kid", x, y, subset_size=size)["kid"]
            assert score.value == pytest.approx(float(poly_mmd(y, x)), abs=1e-12)
            assert score.error is None and score.parameters == {"subsets": 1}


def test_kid_averages_subsets() -> None:
    x, y = normal(90, 3) + 0.3, normal(120, 3, 1)
    score = measured("kid", x, y, subsets=40, subset_size=10)["kid"]
    rng, parts = np.random.default_rng(0), []
    for _ in range(40):
        chosen = [torch.from_numpy(rng.choice(n, 10, replace=False)) for n in (90, 120)]
        parts.append(float(poly_mmd(y[chosen[1]], x[chosen[0]])))
    assert score.value == pytest.approx(np.mean(parts), abs=1e-12)
    assert score.error == pytest.approx(np.std(parts, ddof=1) / 3)  # 90 rows are 9 subsets, though 40 are drawn of them
    few = measured("kid", x, y, subsets=4, subset_size=10)["kid"]
    assert few.error == pytest.approx(np.std(parts[:4], ddof=1) / 2)


def test_kids_error_is_that_of_another_sample() -> None:
    pairs = [(normal(400, 4, 2 * i) + 0.4, normal(400, 4, 2 * i + 1)) for i in range(1, 25)]
    scores = [measured("kid", x, y, subsets=40, subset_size=40)["kid"] for x, y in pairs]
    spread, told = np.std([score.value for score in scores], ddof=1), np.mean([score.error for score in scores if score.error])
    assert 0.6 < told / spread < 1.7


def test_unbiased_ones_may_be_negative_and_are_0_on_average() -> None:
    for name in ("kid", "mmd"):
        values = [value(name, normal(40, 2, 2 * i), normal(40, 2, 2 * i + 1)) for i in range(40)]
        assert min(values) < 0 < max(values)
        assert abs(np.mean(values)) < 3 * np.std(values) / 40**0.5


def test_mmd_is_the_sum_over_pairs() -> None:
    x, y = normal(30, 5) * 1.3, normal(40, 5, 1)
    median = float(np.median(pdist(y.numpy())))

    def kernel(square: np.ndarray) -> np.ndarray:
        return sum(np.exp(-square / (2 * (median * share) ** 2)) for share in (0.25, 0.5, 1, 2, 4))

    own = [(kernel(cdist(side, side, "sqeuclidean")).sum() - 5 * len(side)) / (len(side) * (len(side) - 1)) for side in (x, y)]
    score = measured("mmd", x, y)["mmd"]
    assert score.value == pytest.approx(sum(own) - 2 * kernel(cdist(x, y, "sqeuclidean")).mean(), abs=1e-12)
    assert score.parameters == {"bandwidth": pytest.approx(median), "kernels": 5}


def test_mmd_of_gaussians_is_the_closed_form() -> None:
    shift, a, b, s = torch.tensor([0.5, -0.3], dtype=torch.float64), 0.8, 1.5, 1.2

    def mean(variance: float, apart: float) -> float:
        """E exp(−|z|²/2s²) for z ~ N(apart, variance 1) in the plane."""
        return s**2 / (s**2 + variance) * np.exp(-0.5 * apart / (s**2 + variance))

    exact = mean(2 * a, 0) + mean(2 * b, 0) - 2 * mean(a + b, float(shift.square().sum()))
    values = [value("mmd", normal(400, 2, 2 * i) * a**0.5 + shift, normal(400, 2, 2 * i + 1) * b**0.5, bandwidth=s) for i in range(12)]
    assert exact == pytest.approx(np.mean(values), abs=3 * np.std(values, ddof=1) / 12**0.5) and np.std(values) < exact / 3


def test_mmds_bandwidth_is_of_real_examples_alone_and_may_be_given() -> None:
    y = normal(40, 2, 1)
    one, other = (measured("mmd", normal(40, 2) * scale, y)["mmd"].parameters["bandwidth"] for scale in (1, 9))
    assert one == other
    assert measured("mmd", normal(40, 2), y, bandwidth=2.0)["mmd"].parameters == {"bandwidth": 2.0, "kernels": 1}
    with pytest.raises(GentkError, match=r"mmd.*bandwidth"):
        value("mmd", y, y[:1].repeat(40, 1))
    assert value("mmd", y, y[:1].repeat(40, 1), bandwidth=1.0) > 0
