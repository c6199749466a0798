"""Copies of training examples, and the search for the nearest one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import DataSpec, Leaf
from gentk_metrics.memorisation import Memorisation, nearest
from plugins.metrics.tests.parting import measured, same_however_parted

SPEC = DataSpec(modality="points", leaves={"x": Leaf(shape=(4,))})


def normal(n: int, seed: int, d: int = 4) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def two_far_clusters(n: int, seed: int, d: int = 4) -> Tensor:
    """So far from the mean of all that differences of squares lose the order of the nearest."""
    return normal(n, seed, d) + 5e6 * (torch.arange(n) % 2)[:, None]


def sides(generated: Tensor, real: int = 1000, training: int = 1000) -> dict[str, dict[str, Tensor]]:
    d = generated.shape[1]
    return {
        "generated": {"features": generated, "x": generated},
        "real": {"features": normal(real, 1, d)},
        "training": {"features": normal(training, 2, d)},
    }


def test_parts_and_ranks_do_not_matter() -> None:
    same_however_parted(lambda: Memorisation(SPEC), sides(normal(200, 0), 150, 300))


# ---- the metric
def test_fresh_samples_copy_as_often_as_real_examples_do_within_the_error() -> None:
    copies, errors, ratios, spreads = [], [], [], []
    for seed in range(10, 250, 2):
        rows = {**sides(normal(500, seed, 2), training=500), "real": {"features": normal(990, seed + 1, 2)}}
        found = measured(lambda: Memorisation(SPEC), rows)
        assert found["copies"].parameters == {"expected": 10 / 991, "training": 500}
        assert found["nearest-training"].value == pytest.approx(1, abs=0.3)
        copies.append(found["copies"].value)
        errors.append(found["copies"].error or 0)
        ratios.append(found["nearest-training"].value)
        spreads.append(found["nearest-training"].error or 0)
    assert np.mean(copies) == pytest.approx(10 / 991, abs=4 * np.std(copies) / math.sqrt(len(copies)))
    assert np.mean(errors) == pytest.approx(np.std(copies), rel=0.15)  # a binomial error alone is a fifth too small
    assert np.mean(spreads) == pytest.approx(np.std(ratios), rel=0.15)


def test_repeated_training_examples_are_copies() -> None:
    training = normal(1000, 2)
    found = measured(lambda: Memorisation(SPEC), sides(training[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]))
    assert found["copies"].value == 1
    assert found["nearest-training"].value == 0
    noisy = measured(lambda: Memorisation(SPEC), sides(training + 1e-3 * normal(1000, 5)))
    assert noisy["copies"].value > 0.99


def test_copies_are_found_where_real_examples_repeat_training_examples_too() -> None:
    rows = sides(normal(1000, 2), real=900)  # copies all
    rows["real"]["features"] = torch.cat([rows["real"]["features"], normal(1000, 2)[:100]])
    assert measured(lambda: Memorisation(SPEC), rows)["copies"].value == 1


def test_half_a_set_of_copies_scores_in_between_and_far_samples_copy_nothing() -> None:
    half = torch.cat([normal(1000, 2)[:500], normal(500, 0)])
    found = measured(lambda: Memorisation(SPEC), sides(half))
    assert found["copies"].value == pytest.approx(0.505, abs=0.01)
    far = measured(lambda: Memorisation(SPEC), sides(normal(1000, 0) + 50))
    assert far["copies"].value == 0
    assert far["nearest-training"].value > 10


def test_what_cannot_be_measured_is_said_in_one_line() -> None:
    good = sides(normal(100, 0))
    training = good["training"]["features"]
    for message, bad in (
        ("training examples needs at least 2", {**good, "training": {"features": training[:1]}}),
        ("held out", {**good, "real": {"features": training[:500]}}),
        ("not finite in 100 of 100", {**good, "generated": {"features": good["generated"]["features"] * torch.inf}}),
        ("of one d", {**good, "generated": {"features": normal(10, 0, 3)}}),
    ):
        with pytest.raises(GentkError, match=message) as raised:
            measured(lambda: Memorisation(SPEC), bad)
        assert "\n" not in str(raised.value)
    del good["real"]
    with pytest.raises(GentkError, match="real examples needs at least 2 of them, and there are 0"):
        measured(lambda: Memorisation(SPEC), good)


# ---- the search
@pytest.mark.parametrize("d", [1, 2, 40])  # by a tree, and by products
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("points", [normal, two_far_clusters])
def test_the_nearest_is_that_of_all_distances(d: int, offset: float, points: Callable[[int, int, int], Tensor]) -> None:
    a, b = points(130, 0, d) + offset, points(300, 1, d) + offset
    distance, index = nearest(a, b, chunk=50)
    every = cdist(a.numpy(), b.numpy())
    assert np.array_equal(index.numpy(), every.argmin(1))
    assert distance.numpy() == pytest.approx(every.min(1), rel=1e-12)


@pytest.mark.parametrize("d", [2, 40])
def test_identical_rows_are_at_no_distance(d: int) -> None:
    training = normal(400, 0, d) + 1e3
    copies = torch.tensor([7, 399, 0, 7])
    for chunk in (1, 3, 1024):
        distance, index = nearest(training[copies], training, chunk)
        assert torch.equal(index, copies)
        assert bool((distance == 0).all())
    twice = torch.cat([training, training])
    assert torch.equal(nearest(training[copies], twice)[1], copies)  # the first of equals


def test_there_may_be_fewer_rows_than_candidates() -> None:
    distance, index = nearest(torch.tensor([[0.0], [9.0]]), torch.tensor([[1.0], [7.0]]))
    assert distance.tolist() == [1, 2]
    assert index.tolist() == [0, 1]
    assert nearest(torch.empty(0, 1), torch.zeros(1, 1))[0].shape == (0,)
