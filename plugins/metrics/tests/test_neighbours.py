"""Precision, recall, density and coverage against sorted distances, and on sets that fool one or the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from gentk_metrics import pairwise
from gentk_metrics.pairwise import squared_distances
from plugins.metrics.tests.two_sets import measured, normal


def prdc(x: Tensor, y: Tensor, k: int = 5) -> dict[str, float]:
    return {name: score.value for name, score in measured("prdc", x, y, k=k).items()}


def written_out(x: Tensor, y: Tensor, k: int) -> dict[str, float]:
    of_x, of_y = (np.sort(cdist(side, side), axis=1)[:, k] for side in (x, y))
    apart = cdist(x, y)
    inside = apart <= of_y
    recall = (apart <= of_x[:, None]).any(0).mean()
    return {"precision": inside.any(1).mean(), "recall": recall, "density": inside.sum() / (k * len(x)), "coverage": inside.any(0).mean()}


@pytest.mark.parametrize(("n", "m", "d", "k"), [(60, 90, 2, 1), (90, 60, 2, 5), (70, 70, 30, 3), (40, 50, 1, 5)])
def test_they_are_what_sorted_distances_say(n: int, m: int, d: int, k: int) -> None:
    x, y = normal(n, d) * 1.2 + 0.3, normal(m, d, 1)
    assert prdc(x, y, k) == written_out(x, y, k)


def test_a_copy_has_all() -> None:
    for x in (normal(80, 3), normal(150, 300), normal(80, 3) + 1e5, normal(80, 3) * 1e-9):
        found = prdc(x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))], x)
        assert found == {"precision": 1, "recall": 1, "density": 1.2, "coverage": 1}


def test_a_copy_has_all_however_products_are_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    def rounded(x: Tensor, y: Tensor) -> Tensor:
        return squared_distances(x, y) * (1 + 1e-12 * torch.rand(len(x), len(y), dtype=torch.float64))

    monkeypatch.setattr(pairwise, "squared_distances", rounded)
    x = normal(80, 3)
    assert prdc(x.flip(0), x) == {"precision": 1, "recall": 1, "density": 1.2, "coverage": 1}


def test_a_set_that_repeats_itself_has_all() -> None:
    x = normal(12, 40).repeat(8, 1) + 1e5
    assert prdc(x.flip(0), x) == {"precision": 1, "recall": 1, "density": 1.6, "coverage": 1}  # 8 copies, of 5
    other = normal(12, 40, 1).repeat(8, 1) + 1e5
    assert prdc(other, x) == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_density_and_coverage_are_known_on_average_for_samples_of_the_same_law() -> None:
    found = [prdc(normal(200, 4, 2 * i), normal(200, 4, 2 * i + 1), 3) for i in range(20)]
    for name, expected in (("density", 1), ("coverage", 1 - 0.5**3)):
        values = [each[name] for each in found]
        assert np.mean(values) == pytest.approx(expected, abs=3 * np.std(values, ddof=1) / 20**0.5)


def test_a_ring_around_the_examples_is_not_precise() -> None:
    angle = torch.linspace(0, 2 * torch.pi, 501, dtype=torch.float64)[:500]
    ring = 3 * torch.stack([angle.cos(), angle.sin()], 1)
    dense = normal(500, 2) * 0.3
    found = prdc(ring, dense, 3)
    assert found["precision"] == 0 and found["density"] == 0 and found["coverage"] == 0


def test_coverage_sees_through_outliers() -> None:
    corners = 10 * torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    real = torch.cat([normal(992, 3) * 0.1, corners])
    junk = torch.rand(1000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 10 - 5
    found = prdc(junk, real, 3)
    assert found["precision"] == 1 and found["coverage"] < 0.1


def test_disjoint_sets_have_nothing() -> None:
    assert prdc(normal(50, 3) + 100, normal(60, 3, 1)) == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_a_collapsed_set_neither_recalls_nor_covers() -> None:
    centres = 8 * normal(10, 16)
    real = (centres[:, None] + normal(300, 16).view(10, 30, 16)).flatten(0, 1)
    one_of_each = real.view(10, 30, 16)[:, :1].repeat(1, 30, 1).flatten(0, 1)
    found = prdc(one_of_each, real)
    assert found["precision"] == 1
    assert found["recall"] == 10 / 300 and found["coverage"] < 0.4


def test_distances_are_right_where_the_product_cancels() -> None:
    x, y = normal(40, 6) * 10 + 50, normal(50, 6, 1) * 10 + 50
    for tiny in (1e-3, 1e-8, 0):
        y[:40] = x + tiny * normal(40, 6, 2)
        assert torch.allclose(squared_distances(x, y), torch.from_numpy(cdist(x, y, "sqeuclidean")), rtol=1e-10, atol=0)
    assert torch.equal(squared_distances(x, y)[range(40), range(40)], torch.zeros(40, dtype=torch.float64))
