"""Streams belong to samples: nothing else may move them."""

import math
import zlib

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from gentk.noise import Philox, pick
from gentk.philox import normals, philox, uniforms

FULL = 2**32 - 1
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


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


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((FULL,) * 4, (FULL,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ],
)
def test_philox_gives_the_known_answers(counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]) -> None:
    """Those that Salmon et al. publish with their own implementation (Random123)."""
    assert [int(w[0]) for w in philox(tuple(np.array([c]) for c in counter), key)] == list(words)
    for device in DEVICES:
        assert [int(w) for w in philox(tuple(torch.tensor(c, device=device) for c in counter), key)] == list(words)


def test_a_seed_means_the_same_in_every_release() -> None:
    """The counter is (block, fork, index), the key the seed; two words make a uniform, and each of two makes a normal."""
    seed, index, fork = 5 + (3 << 32), 2 + (1 << 32), zlib.crc32(b"/label")
    words = [int(w[0]) for w in philox((np.array([0]), fork, np.array([2]), np.array([1])), (5, 3))]
    noise = Philox(seed, [index]).fork("label")
    u = [(words[k] << 20 | words[k + 1] >> 12) / 2**52 for k in (0, 2)]
    assert noise.uniform(2)[0].tolist() == u
    again = Philox(seed, [index]).fork("label").normal(4)[0].double()
    for k in (0, 2):
        radius, angle = math.sqrt(-2 * math.log((words[k] + 0.5) / 2**32)), math.pi * (words[k + 1] / 2**32 - 0.5)
        mirror = -1 if words[k + 1] & 1 else 1
        assert again[k].item() == pytest.approx(mirror * radius * math.cos(angle), abs=5e-7)
        assert again[k + 1].item() == pytest.approx(radius * math.sin(angle), abs=5e-7)


@pytest.mark.parametrize("device", DEVICES)
def test_the_numbers_are_the_same_from_numpy_and_from_torch_on_any_device(device: str) -> None:
    first, second = np.random.default_rng(0).integers(0, 2**32, (2, 200_000))
    first[:4] = second[:4] = 0, FULL, 2**31, 1  # the ends
    second[4:8], first[4:8] = first[:4], second[3::-1][:4]
    a, b = (torch.from_numpy(v).to(device) for v in (first, second))
    assert torch.equal(uniforms(a, b).cpu(), torch.from_numpy(uniforms(first, second)))
    for ours, theirs in zip(normals(a, b), normals(first, second), strict=True):
        assert np.isfinite(theirs).all() and (ours.cpu() - torch.from_numpy(theirs)).abs().max() < 1e-12
        assert (ours.float().cpu() - torch.from_numpy(theirs).float()).abs().max() <= 1e-6
    if device != "cpu":
        assert (Philox(1, range(9), device).normal(50).cpu() - Philox(1, range(9)).normal(50)).abs().max() <= 1e-6


def test_normals_and_uniforms_have_their_laws() -> None:
    """Kolmogorov and Smirnov's distance far within what chance leaves; neighbours, rows and calls do not go together."""
    noise = Philox(11, range(40_000))
    x, u, y = noise.normal(5).double(), noise.uniform(3), noise.normal(5).double()
    for drawn, law in ((x, "norm"), (u, "uniform")):
        assert kstest(drawn.flatten(), law).statistic < 1.95 / drawn.numel() ** 0.5
    columns = torch.cat([x, y, u, x.roll(1, 0)], 1)
    together = torch.corrcoef(torch.cat([columns, columns.square()], 1).T).fill_diagonal_(0)
    own = torch.arange(len(together)).remainder(columns.shape[1])
    assert together[own[:, None] != own].abs().max() < 5 / 40_000**0.5


def test_calls_are_made_of_whole_blocks_whatever_was_made_ahead() -> None:
    """Small calls are made in bulk, large ones are not: what comes is the same."""
    small, twin = Philox(0, range(3)), Philox(0, range(3))
    calls = [(), (2,), (5,), (), (4000, 3), (1,), *[()] * 40, (7,)]
    for shape in calls:
        twin._ahead.clear()
        assert torch.equal(small.normal(*shape), twin.normal(*shape))
        twin._ahead.clear()
        assert torch.equal(small.uniform(*shape), twin.uniform(*shape))


def test_rows_that_are_picked_move_the_whole() -> None:
    """A sampler that asks again for the rows it rejected gets other numbers, and so does whoever asks for all of them then."""
    noise, twin = Philox(0, range(4)), Philox(0, range(4))
    some = [noise[[1, 3]].normal(2) for _ in range(2)] + [noise[1:][[0, 2]].normal(2)]
    whole = [twin.normal(2) for _ in range(4)]
    assert all(torch.equal(a, b[[1, 3]]) for a, b in zip(some, whole, strict=False))
    late = noise.normal(2)
    assert torch.equal(late[[1, 3]], whole[3][[1, 3]]) and torch.equal(late[[0, 2]], whole[0][[0, 2]])


def test_wider_normals_have_the_same_values() -> None:
    assert torch.equal(Philox(0, range(2), dtype=torch.float64).normal(9), Philox(0, range(2)).normal(9).double())


def test_pick_follows_the_probabilities_and_never_takes_an_impossible_class() -> None:
    logits = torch.tensor([0.5, 0.2, 0.0, 0.3]).log()
    u = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    assert pick(logits.expand(1000, 4), u).bincount(minlength=4).tolist() == [500, 200, 0, 300]
    edges = torch.tensor([0.0, 0.7, 1 - 2**-53], dtype=torch.float64)
    assert 2 not in pick(logits.expand(3, 4), edges).tolist()
