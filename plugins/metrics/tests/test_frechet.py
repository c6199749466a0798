"""The Fréchet distance against its closed form, three other libraries, and rows instead of covariances."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor
from torchmetrics.image.fid import _compute_fid

from gentk_metrics import frechet
from gentk_metrics.frechet import Frechet, Moments, squared_frechet
from plugins.metrics.tests.two_sets import DATA, fed, normal, value, whitened


def of_rows(x: Tensor, y: Tensor) -> float:
    """The distance without covariances: tr (Σ_a Σ_b)^½ is the sum of the singular values of A Bᵀ, of the centred rows."""
    a, b = ((side - side.mean(0)) / (len(side) - 1) ** 0.5 for side in (x, y))
    overlap = torch.linalg.svdvals(a @ b.T).sum()
    return float((x.mean(0) - y.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * overlap)


def test_it_is_the_closed_form_of_diagonal_covariances() -> None:
    shift = torch.linspace(-1, 2, 12, dtype=torch.float64)
    a, b = torch.linspace(0.1, 3, 12, dtype=torch.float64), torch.linspace(2, 0.5, 12, dtype=torch.float64)
    x, y = whitened(300, 12) * a.sqrt() + shift, whitened(200, 12, 1) * b.sqrt()
    exact = float(shift.square().sum() + (a.sqrt() - b.sqrt()).square().sum())
    assert value("frechet", x, y) == pytest.approx(exact, abs=1e-9)


def test_it_is_what_others_compute() -> None:
    mix = normal(8, 8, 7)
    x, y = normal(100, 8) @ mix + 0.2, normal(150, 8, 1) @ mix.T
    found = value("frechet", x, y)
    means, covariances = [side.mean(0) for side in (x, y)], [side.T.cov() for side in (x, y)]
    a, b = (side.numpy() for side in covariances)
    of_roots = float((means[0] - means[1]).square().sum()) + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert found == pytest.approx(of_roots, abs=1e-9)
    assert found == pytest.approx(float(_compute_fid(means[0], covariances[0], means[1], covariances[1])), abs=1e-9)
    bures = ot.gaussian.bures_wasserstein_distance(*(mean.numpy() for mean in means), a, b)
    assert found == pytest.approx(float(bures) ** 2, abs=1e-9)


@pytest.mark.parametrize(("n", "m"), [(20, 30), (30, 20), (20, 500), (500, 20)])
def test_fewer_rows_than_dimensions_do_as_well(n: int, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(n, 60) + 0.1, normal(m, 60, 1) * 1.5
    exact = of_rows(x, y)
    assert value("frechet", x, y) == pytest.approx(exact, abs=1e-9)
    monkeypatch.setattr(frechet, "ACCURATE", 0)
    assert value("frechet", x, y) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))  # rounding makes the last pivot negative in some, positive in others
def test_a_feature_that_is_a_sum_of_others_does_as_well(seed: int) -> None:
    x, y = normal(60, 3, seed), normal(80, 4, 99)
    x = torch.cat([x, x @ normal(3, 1, seed + 50)], 1)
    assert value("frechet", x, y) == pytest.approx(of_rows(x, y), abs=1e-11)


def test_a_set_is_at_0_from_itself() -> None:
    spectrum = torch.logspace(0, -8, 40, dtype=torch.float64)
    for x in (normal(100, 40) * spectrum, normal(20, 40), normal(10, 40).repeat(9, 1), torch.ones(5, 3, dtype=torch.float64)):
        found = value("frechet", x, x.flip(0))
        assert 0 <= found < 1e-12


def test_the_fast_way_for_many_dimensions_is_as_right(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(300, 50) * torch.logspace(0, -3, 50), normal(200, 50, 1) * torch.logspace(-3, 0, 50)
    accurate = value("frechet", x, y)
    monkeypatch.setattr(frechet, "ACCURATE", 0)
    monkeypatch.delattr(torch.linalg, "svdvals")
    assert value("frechet", x, y) == pytest.approx(accurate, abs=1e-9)
    assert value("frechet", x, x) < 1e-6


def test_collapsed_samples_are_measured() -> None:
    real, x = normal(400, 16), normal(4, 16, 1).repeat(50, 1)
    assert value("frechet", x, real) == pytest.approx(of_rows(x, real), abs=1e-11)


def test_an_offset_costs_no_digits() -> None:
    x, y = whitened(500, 6), 2 * whitened(500, 6, 1) + 1
    assert value("frechet", x + 1e5, y + 1e5) == pytest.approx(12, abs=1e-8)
    parted = fed(Frechet(DATA), x + 1e5, y + 1e5, size=3)
    assert isinstance(parted, Frechet) and parted.compute().value == pytest.approx(12, abs=1e-8)


def test_it_keeps_moments_and_no_rows() -> None:
    few, many = (fed(Frechet(DATA), normal(n, 5), normal(n, 5), 10).state() for n in (10, 300))
    assert {key: value.shape for key, value in few.items()} == {key: value.shape for key, value in many.items()}
    assert many["real/n"].item() == 300 and torch.allclose(many["real/mean"], normal(300, 5).mean(0), atol=1e-14)
    assert torch.allclose(many["real/scatter"] / 299, normal(300, 5).T.cov(), atol=1e-13)


def test_its_extrapolation_has_no_bias_of_few_samples() -> None:
    real = normal(20_000, 16)
    samples = [normal(500, 16, seed) for seed in range(1, 9)]
    plain, endless = (np.mean([value(name, x, real) for x in samples]) for name in ("frechet", "frechet-infinity"))
    assert plain > 0.15 and abs(endless) < plain / 4


def test_the_extrapolation_is_the_intercept_of_a_line_in_1_over_n(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def line(generated: Moments, real: Moments) -> float:
        seen.append(generated.n)
        return 3 + 2 / generated.n

    monkeypatch.setattr(frechet, "squared_frechet", line)
    assert value("frechet-infinity", normal(400, 3), normal(50, 3, 1)) == pytest.approx(3, abs=1e-12)
    assert len(seen) == 15 and seen[0] == 40 and seen[-1] == 400 and sorted(set(seen)) == seen


def test_the_extrapolation_ends_at_all_rows_in_a_random_order(monkeypatch: pytest.MonkeyPatch) -> None:
    values, x, y = [], normal(300, 3), normal(100, 3, 1)
    x = x[x[:, 0].argsort()]

    def kept(generated: Moments, real: Moments) -> float:
        values.append(squared_frechet(generated, real))
        return values[-1]

    monkeypatch.setattr(frechet, "squared_frechet", kept)
    value("frechet-infinity", x, y)
    assert values[-1] == pytest.approx(value("frechet", x, y), abs=1e-9)
    assert values[0] < 1  # of the first 30 of the sorted rows it would be 3 and more
    assert float((x[:30].mean(0) - y.mean(0)).square().sum()) > 3
