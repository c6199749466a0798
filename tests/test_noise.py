"""Streams belong to samples: nothing else may move them."""

import numpy as np
import torch

from gentk.noise import Philox, pick


def test_a_sample_draws_the_same_in_any_batch() -> None:
    whole = Philox(3, range(16))
    a, u = whole.normal(5, 2), whole.uniform(7)
    for rows in (range(3, 4), range(10, 16), [15, 0, 7]):
        part = Philox(3, list(rows))
        assert torch.equal(part.normal(5, 2), a[list(rows)]) and torch.equal(part.uniform(7), u[list(rows)])


def test_seed_index_and_fork_all_count() -> None:
    draws = [
        Philox(s, [i]).fork(f).normal(4) if f else Philox(s, [i]).normal(4) for s in (0, 1, 2**40) for i in (0, 1) for f in ("", "a", "b")
    ]
    assert len({tuple(d.flatten().tolist()) for d in draws}) == len(draws)


def test_a_fork_does_not_move_the_stream_and_starts_afresh() -> None:
    one, other = Philox(0, range(3)), Philox(0, range(3))
    one.fork("label").uniform(100)
    assert torch.equal(one.normal(4), other.normal(4))
    assert torch.equal(one.fork("x").normal(2), other.fork("x").normal(2))


def test_rows_go_on_where_they_were() -> None:
    noise, twin = Philox(0, range(4)), Philox(0, range(4))
    noise.normal(3), twin.normal(3)
    assert torch.equal(noise[[2, 0]].normal(3), twin.normal(3)[[2, 0]])


def test_the_stream_is_numpys_philox() -> None:
    """Known answer, so that a seed means the same in every release."""
    stream = np.random.Generator(np.random.Philox(key=[5, 2], counter=[0, 0, 0, 0]))
    assert torch.equal(Philox(5, [2]).uniform(3)[0], torch.from_numpy(stream.random(3)))


def test_wider_normals_have_the_same_values() -> None:
    assert torch.equal(Philox(0, range(2), dtype=torch.float64).normal(9), Philox(0, range(2)).normal(9).double())


def test_pick_follows_the_probabilities_and_never_takes_an_impossible_class() -> None:
    logits = torch.tensor([0.5, 0.2, 0.0, 0.3]).log()
    u = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    assert pick(logits.expand(1000, 4), u).bincount(minlength=4).tolist() == [500, 200, 0, 300]
    edges = torch.tensor([0.0, 0.7, 1 - 2**-53], dtype=torch.float64)
    assert 2 not in pick(logits.expand(3, 4), edges).tolist()
