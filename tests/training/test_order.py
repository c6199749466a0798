"""Which examples round k sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gentk.permutation import mixed, permuted
from gentk.training.order import Order, indices_of, seed_all


@pytest.mark.parametrize("n", [1, 2, 3, 16, 17, 1000, 4097])
def test_an_epoch_sees_every_example_once(n: int) -> None:
    assert sorted(permuted(np.arange(n), n, key=5).tolist()) == list(range(n))


def test_a_place_does_not_depend_on_its_neighbours() -> None:
    whole = permuted(np.arange(1000), 1000, key=7)
    assert permuted(np.array([3, 999, 500]), 1000, key=7).tolist() == whole[[3, 999, 500]].tolist()


def test_an_order_looks_random() -> None:
    """Neighbours in the order are as far apart as in a random one (n/3), and keys give orders that share 1 place in n."""
    n = 10_000
    one, other = permuted(np.arange(n), n, 1), permuted(np.arange(n), n, 2)
    assert abs(np.abs(np.diff(one)).mean() / (n / 3) - 1) < 0.05
    assert (one == other).sum() < 10
    assert abs(np.corrcoef(np.arange(n), one)[0, 1]) < 0.05


def test_the_size_of_a_data_set_costs_nothing() -> None:
    found = indices_of(12345, 2**40, 64, seed=0)
    assert ((found >= 0) & (found < 2**40)).all()
    assert len(set(found.tolist())) == 64


def test_batches_walk_through_epochs_that_differ() -> None:
    n, size = 10, 4  # batches straddle the epochs' ends
    row = np.concatenate([indices_of(k, n, size, seed=3) for k in range(5)])
    assert sorted(row[:10].tolist()) == sorted(row[10:20].tolist()) == list(range(10))
    assert row[:10].tolist() != row[10:20].tolist()
    assert row[:4].tolist() != indices_of(0, n, size, seed=4).tolist()


def test_a_batch_larger_than_the_data_set_repeats_it() -> None:
    assert np.bincount(indices_of(0, 5, 20, seed=0)).tolist() == [4] * 5


def test_seeds_beyond_32_bits_are_not_cut() -> None:
    """torch's CPU generator takes 1 and 1 + 2³² for the same seed; the hash does not."""
    assert mixed(1, "a") != mixed(1 + 2**32, "a")
    drawn = []
    for words in ((0, 1, "main", 0), (0, 1, "main", 1), (0, 2, "main", 0), (0, 1, "other", 0), (2**32, 1, "main", 0)):
        seed_all(*words)
        drawn.append(float(torch.rand(())))
    assert len(set(drawn)) == 5
    seed_all(0, 1, "main", 0)
    assert float(torch.rand(())) == drawn[0]


def test_rounds_made_in_bulk_are_those_made_one_by_one() -> None:
    """Also where a resumed run begins in the middle, and where an epoch ends inside a batch."""
    order = Order(37, 8, seed=3)
    for k in (0, 1, 2, 31, 32, 33, 100, 5, 4):
        assert np.array_equal(order[k], indices_of(k, 37, 8, 3))
