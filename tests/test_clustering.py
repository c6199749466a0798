"""k-means."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from gentk import clustering
from gentk.clustering import assign, kmeans
from gentk.errors import UsageError


def blobs(n: int = 600, k: int = 6, d: int = 3, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """(points, true centres): far apart, each with n / k points."""
    generator = torch.Generator().manual_seed(5)
    centres = 20 * torch.randn(k, d, generator=generator, dtype=dtype)
    return centres.repeat_interleave(n // k, 0) + 0.1 * torch.randn(n, d, generator=generator, dtype=dtype), centres


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def inertia(points: Tensor, centres: Tensor) -> float:
    return float(torch.cdist(points.double(), centres.double()).amin(1).square().sum())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(5))
def test_the_spread_start_finds_what_is_far_apart(seed: int, dtype: torch.dtype) -> None:
    points, truth = blobs(dtype=dtype)
    found = kmeans(points, 6, generator=seeded(seed))
    assert found.dtype == dtype
    assert sorted(torch.cdist(truth, found).argmin(1).tolist()) == list(range(6))
    assert float(torch.cdist(truth, found).amin(1).max()) < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_it_ends_where_every_centre_is_the_mean_of_its_points(seed: int) -> None:
    points = torch.rand(500, 2, generator=seeded(100 + seed), dtype=torch.float64)
    centres = kmeans(points, 8, iterations=500, generator=seeded(seed))
    nearest = torch.cdist(points, centres).argmin(1)
    means = torch.stack([points[nearest == k].mean(0) for k in range(8)])
    assert torch.allclose(centres, means, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_no_iteration_makes_it_worse(seed: int) -> None:
    points = torch.randn(400, 4, generator=seeded(seed), dtype=torch.float64)
    worth = [inertia(points, kmeans(points, 10, iterations=i, generator=seeded(seed))) for i in range(8)]
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(worth)) and worth[-1] < 0.9 * worth[0]


def test_assignments_are_the_nearest_centres_with_their_distances() -> None:
    generator = seeded(0)
    points, centres = (torch.randn(n, 5, generator=generator, dtype=torch.float64) for n in (300, 7))
    nearest, distance = assign(points, centres)
    lowest = torch.cdist(points, centres).min(1)
    assert torch.equal(nearest, lowest.indices) and torch.allclose(distance, lowest.values.square(), atol=1e-12)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    points, _ = blobs(n=120)
    whole = kmeans(points, 6, generator=seeded(1))
    monkeypatch.setattr(clustering, "TABLE", 6 * 7)
    assert torch.allclose(kmeans(points, 6, generator=seeded(1)), whole, atol=1e-12)


def test_a_centre_without_points_moves_to_the_farthest_one() -> None:
    points = torch.tensor([[0.0, 0], [1, 0], [0, 1], [9, 9]], dtype=torch.float64)
    nearest, distance = torch.zeros(4, dtype=torch.int64), points.square().sum(1)
    found = clustering._means(points, nearest, distance, 2)
    assert torch.equal(found[0], points.mean(0)) and torch.equal(found[1], points[3])


@pytest.mark.parametrize("seed", range(5))
def test_doubles_are_chosen_once(seed: int) -> None:
    values = torch.tensor([[0.0, 0], [3, 1], [-2, 5]])
    found = kmeans(values.repeat_interleave(torch.tensor([50, 1, 9]), 0), 3, generator=seeded(seed))
    assert torch.allclose(found.sort(0).values, values.sort(0).values, atol=1e-6)


def test_points_that_are_all_one_are_no_trouble() -> None:
    found = kmeans(torch.full((5, 2), 7.0), 3, generator=seeded(0))
    assert torch.equal(found, torch.full((3, 2), 7.0))


def test_far_from_the_origin_it_finds_the_same() -> None:
    """In float32, where squares of 10⁴ would swallow what lies within a blob."""
    points, _ = blobs(dtype=torch.float32)
    near, far = kmeans(points, 12, generator=seeded(3)), kmeans(points + 4096, 12, generator=seeded(3)) - 4096
    assert inertia(points, far) == pytest.approx(inertia(points, near), rel=0.02)


def test_it_is_a_function_of_the_generator() -> None:
    points = torch.randn(200, 2, generator=seeded(0))
    assert torch.equal(kmeans(points, 9, generator=seeded(4)), kmeans(points, 9, generator=seeded(4)))
    torch.manual_seed(4)
    assert torch.equal(kmeans(points, 9), kmeans(points, 9, generator=seeded(4)))
    assert not torch.equal(kmeans(points, 9, generator=seeded(5)), kmeans(points, 9, generator=seeded(4)))


@pytest.mark.parametrize("k", [0, 4])
def test_more_centres_than_points_are_refused(k: int) -> None:
    with pytest.raises(UsageError, match="among 3 points"):
        kmeans(torch.zeros(3, 2), k)
