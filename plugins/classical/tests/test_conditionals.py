"""Gaussians of which a part is known: against scipy, mask by mask and row by row."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from gentk.noise import Philox
from gentk_classical.conditionals import Rest, Split, distinct, patterns
from gentk_classical.em import Mixture, expected
from gentk_classical.gaussians import KINDS, Full

K, D, N = 3, 5, 60


def mixture(seed: int = 0, d: int = D) -> tuple[Mixture, list[np.ndarray]]:
    """K Gaussians and their covariances."""
    rng = np.random.default_rng(seed)
    covariances = [a @ a.T + 0.3 * np.eye(d) for a in rng.normal(size=(K, d, d))]
    root = KINDS["full"].factor(torch.from_numpy(np.stack(covariances)))
    return Mixture(torch.tensor([0.5, 0.2, 0.3]).double(), torch.from_numpy(2 * rng.normal(size=(K, d))), root), covariances


def rows(n: int = N, share: float = 0.4, d: int = D) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = 2 * torch.randn(n, d, dtype=torch.float64, generator=generator)
    x[torch.rand(n, d, generator=generator) < share] = math.nan
    x[0], x[1] = math.nan, 1.0
    return x


@pytest.mark.parametrize("d", [1, 5, 62, 63, 70])
def test_masks_are_told_apart_and_put_together(d: int) -> None:
    known = torch.rand(200, d, generator=torch.Generator().manual_seed(0)) < (0.5 if d < 9 else 0.98)
    masks, which = distinct(known)
    assert torch.equal(masks[which], known) and len({tuple(mask) for mask in masks.tolist()}) == len(masks)
    found = torch.zeros(200, dtype=torch.int64)
    for mask, own in patterns(known):
        assert torch.equal(known[own], mask.expand(len(own), d))
        found[own] += 1
    assert bool((found == 1).all())


def test_the_law_of_the_rest_in_whole_matrices_is_that_of_its_block() -> None:
    mixed, covariances = mixture()
    gone = torch.tensor([[True, False, True, True, False], [False] * 5, [True] * 5])
    rest = Rest.of(mixed.root, gone)
    for k, covariance in enumerate(covariances):
        precision = np.linalg.inv(covariance)
        for p, mask in enumerate(gone.numpy()):
            block = np.linalg.inv(precision[np.ix_(mask, mask)])
            whole = np.zeros((D, D))
            whole[np.ix_(mask, mask)] = block
            assert np.allclose(rest.covariance[k, p].numpy(), whole, rtol=0, atol=1e-12)
            assert float(rest.log_det[k, p]) == pytest.approx(-0.5 * np.linalg.slogdet(block)[1] if mask.any() else 0.0, abs=1e-12)


def test_expected_sums_of_rows_with_gaps_are_those_of_the_conditional_laws() -> None:
    """Row by row: responsibilities by scipy's density of what is there, the mean and covariance of the rest by the textbook."""
    mixed, covariances = mixture()
    x = rows()
    sums = expected(KINDS["full"], mixed, x)
    weight, first, second, log = np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D)), 0.0
    for row in x.numpy():
        a, b = ~np.isnan(row), np.isnan(row)
        joint, moments = [], []
        for k in range(K):
            mean, s = mixed.means[k].numpy(), covariances[k]
            density = stats.multivariate_normal(mean[a], s[np.ix_(a, a)]).pdf(row[a]) if a.any() else 1.0
            gain = s[np.ix_(b, a)] @ np.linalg.inv(s[np.ix_(a, a)]) if a.any() else np.zeros((b.sum(), 0))
            filled, spread = row.copy(), np.zeros((D, D))
            filled[b] = mean[b] + gain @ (row[a] - mean[a])
            spread[np.ix_(b, b)] = s[np.ix_(b, b)] - gain @ s[np.ix_(a, b)]
            white = mixed.root[k].numpy()
            y = white.T @ (filled - mean)
            joint.append(float(mixed.weights[k]) * density)
            moments.append((y, np.outer(y, y) + white.T @ spread @ white))
        log += math.log(sum(joint))
        for k, (y, square) in enumerate(moments):
            r = joint[k] / sum(joint)
            weight[k] += r
            first[k] += r * y
            second[k] += r * square
    for ours, theirs in ((sums.weight, weight), (sums.first, first), (sums.second, second), (sums.log_likelihood, log)):
        assert np.allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("d", [5, 12])
def test_rows_filled_in_together_and_pattern_by_pattern_are_the_same_rows(d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed, full = mixture(d=d)[0], Full()
    x = rows(300, d=d)
    known = ~x.isnan()
    given = x.nan_to_num(), known, mixed.means, mixed.root, mixed.weights.log().expand(300, -1)
    one, other = full._impute_rows(*given, Philox(3, range(300))), full._impute_patterns(*given, Philox(3, range(300)))
    assert torch.equal(one.component, other.component) and torch.allclose(one.x, other.x, rtol=0, atol=1e-9)
    assert torch.equal(one.x[known], x[known])
    monkeypatch.setattr("gentk_classical.gaussians.FEW", 10_000)  # of many patterns few rows each, part by part
    monkeypatch.setattr("gentk_classical.gaussians.TABLE", 7 * K * d * d)
    parts = full.impute(*given, Philox(3, range(300)))
    assert torch.equal(parts.component, one.component) and torch.allclose(parts.x, one.x, rtol=0, atol=1e-9)


def test_a_split_is_the_rest_cut_out() -> None:
    mixed, _ = mixture()
    known = torch.tensor([True, False, False, True, True])
    part, rest = Split.of(mixed.root, known), Rest.of(mixed.root, ~known[None])
    block = rest.covariance[:, 0][:, ~known][:, :, ~known]
    assert torch.allclose(part.root @ part.root.mT @ block, torch.eye(2).double().expand(K, 2, 2), rtol=0, atol=1e-10)
