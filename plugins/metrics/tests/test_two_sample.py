"""The classifier two-sample test on sets whose best accuracy is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from gentk.protocols import Score
from gentk_metrics.two_sample import FOLDS, folds, occurrence
from plugins.metrics.tests.two_sets import measured, normal, value


def c2st(x: Tensor, y: Tensor) -> Score:
    return measured("c2st", x, y)["c2st"]


def error(score: Score) -> float:
    assert score.error is not None
    return score.error


@pytest.mark.parametrize("d", [2, 64])
def test_samples_of_one_law_cannot_be_told_apart(d: int) -> None:
    score = c2st(normal(600, d), normal(600, d, 1))
    assert score.value == pytest.approx(0.5, abs=3 * error(score))
    assert error(score) == pytest.approx(0.5 / 1200**0.5, rel=0.01)


@pytest.mark.parametrize("delta", [1.0, 3.0])
def test_of_two_gaussians_it_reaches_the_best_accuracy(delta: float) -> None:
    score = c2st(normal(2000, 2) + torch.tensor([delta, 0.0], dtype=torch.float64), normal(2000, 2, 1))
    assert score.value == pytest.approx(norm.cdf(delta / 2), abs=3 * error(score))


def test_a_missing_mode_is_found_in_64_dimensions() -> None:
    modes, rng = 6 * normal(4, 64), np.random.default_rng(0)
    x, y = (modes[torch.from_numpy(rng.integers(0, k, 400))] + normal(400, 64, k) for k in (3, 4))
    score = c2st(x, y)
    assert score.value == pytest.approx(1 / 8 + 7 / 8 * 4 / 7, abs=3 * error(score))  # the fourth mode is real, of the others 3 of 7 are


def test_a_copy_cannot_be_told_from_its_original() -> None:
    for x in (normal(300, 2), normal(10, 2).repeat(30, 1)):
        assert value("c2st", x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))], x) == 0.5


def test_sizes_are_balanced() -> None:
    real = normal(900, 2, 1)
    score = c2st(normal(100, 2), real[real[:, 0].argsort()])  # the first hundred are unlike the rest
    assert score.parameters == {"folds": 5, "rows": 100} and score.value == pytest.approx(0.5, abs=3 * error(score))


def test_folds_hold_as_many_of_each_side_and_copies_together() -> None:
    x, y = normal(103, 2).numpy(), normal(103, 2, 1).numpy()
    y[40:70], y[80:83] = x[:30], x[5]
    found = folds(x, y)
    assert set(found.tolist()) == set(range(FOLDS))
    for fold in range(FOLDS):
        a, b = (int((side == fold).sum()) for side in (found[:103], found[103:]))
        assert a == b and 20 <= a <= 22
    assert found[:30].tolist() == found[103 + 40 : 103 + 70].tolist()
    assert len(set(found[103 + 80 : 103 + 83].tolist())) == 3  # more copies than originals: alone
    assert occurrence(np.array([7, 3, 7, 7, 3, 1])).tolist() == [0, 0, 1, 2, 1, 0]
