"""Points made on the fly: functions of (data set, split, index), with the figure they promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gentk.errors import UsageError
from gentk.philox import philox
from gentk_datasets import points
from gentk_datasets.counters import normals, uniforms

FIGURES: dict[str, Callable[..., Any]] = {
    "swiss-roll": points.swiss_roll,
    "moons": points.moons,
    "circles": points.circles,
    "checkerboard": points.checkerboard,
    "eight-gaussians": points.eight_gaussians,
}
every_figure = pytest.mark.parametrize("name", FIGURES)


def words(value: int) -> np.ndarray:
    return np.array([value], np.uint64)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        (0xFFFFFFFF, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ],
)
def test_philox_gives_the_published_words(word: int, expected: list[int]) -> None:
    """The known answers of philox4x32-10 in Random123, the authors' library."""
    assert [int(w[0]) for w in philox((words(word),) * 4, (word, word))] == expected


def test_the_numbers_are_uniform_normal_and_independent() -> None:
    drawn = uniforms("a", np.arange(50_000), 6)
    counts = np.stack([np.histogram(column, 20, (0, 1))[0] for column in drawn.T])
    assert (((counts - 2500) ** 2 / 2500).sum(1) < 55).all()  # chi-square with 19 degrees of freedom: p = 2e-5
    z = normals(drawn[:, :4])
    assert np.abs(z.mean(0)).max() < 0.02
    assert np.abs(np.cov(z.T) - np.eye(4)).max() < 0.03
    assert np.abs((z**4).mean(0) - 3).max() < 0.2
    assert np.abs(np.corrcoef(drawn.T) - np.eye(6)).max() < 0.02
    assert not (uniforms("b", np.arange(1000), 6) == drawn[:1000]).any()


@every_figure
def test_a_batch_is_its_examples_in_any_order(name: str) -> None:
    data = FIGURES[name]()
    indices = [5, 2**20 - 1, 0, 5, 77]
    batch = data.batch(indices)
    for row, index in enumerate(indices):
        for key, value in data[index].items():
            assert torch.equal(batch[key][row], value)
    again = FIGURES[name]().batch(indices[::-1])
    assert torch.equal(again["x"].flip(0), batch["x"])


@every_figure
def test_splits_are_different_streams(name: str) -> None:
    train, test = FIGURES[name]("train"), FIGURES[name]("test")
    both = torch.cat([train.batch(range(2000))["x"], test.batch(range(2000))["x"]])
    assert len(both.unique(dim=0)) == 4000
    assert (len(train), len(test)) == (2**20, 2**16)


@every_figure
def test_it_is_centred_and_of_about_unit_scale(name: str) -> None:
    x = FIGURES[name]().batch(range(20_000))["x"]
    assert x.dtype == torch.float32
    assert x.mean(0).abs().max() < 0.03
    assert 0.9 < float(x.var(0).mean().sqrt()) < 1.1


@every_figure
def test_labels_are_a_condition_only_where_asked_for(name: str) -> None:
    if name in ("swiss-roll", "checkerboard"):
        assert not FIGURES[name]().spec.conditions
        return
    data = FIGURES[name]()
    classes = data.spec.conditions["label"].classes
    assert len(data.spec.conditions["label"].names) == classes
    assert sum(data.spec.frequencies["label"]) == pytest.approx(1)
    counts = torch.bincount(data.batch(range(16_000))["label"], minlength=classes).double() / 16_000
    assert (counts - torch.tensor(data.spec.frequencies["label"])).abs().max() < 0.02
    bare = FIGURES[name](labels=False)
    assert set(bare[0]) == {"x"}
    assert not bare.spec.conditions
    assert torch.equal(bare.batch(range(9))["x"], data.batch(range(9))["x"])


def test_the_swiss_roll_is_a_spiral() -> None:
    """Without noise each point lies at (θ cos θ, θ sin θ): its radius, as drawn, is its angle up to full turns."""
    x = points.swiss_roll(noise=0.0).batch(range(5000))["x"].double() * 6.8 + torch.tensor([2.0, 2 / (3 * np.pi)], dtype=torch.float64)
    radius, angle = x.norm(dim=1), torch.atan2(x[:, 1], x[:, 0])
    turns = (radius - angle) / (2 * np.pi)
    assert (turns - turns.round()).abs().max() < 1e-5
    assert 4.71 < radius.min() < 4.75
    assert 14.1 < radius.max() < 14.14


def test_the_noise_is_as_wide_as_asked() -> None:
    clean, noisy = points.swiss_roll(noise=0.0).batch(range(20_000))["x"], points.swiss_roll(noise=0.5).batch(range(20_000))["x"]
    assert float((noisy - clean).std()) == pytest.approx(0.5 / 6.8, rel=0.03)


def test_the_classes_of_the_moons_are_its_moons() -> None:
    batch = points.moons(noise=0.0).batch(range(1000))
    x = batch["x"] * 0.7 + torch.tensor([0.5, 0.25])
    upper, lower = x[batch["label"] == 0], x[batch["label"] == 1]
    assert torch.allclose(upper.norm(dim=1), torch.ones(len(upper)), atol=1e-5)
    assert torch.allclose((lower - torch.tensor([1.0, 0.5])).norm(dim=1), torch.ones(len(lower)), atol=1e-5)
    assert upper[:, 1].min() >= -1e-6
    assert lower[:, 1].max() <= 0.5 + 1e-6


def test_circles_have_their_radii() -> None:
    batch = points.circles(noise=0.0, factor=0.25).batch(range(1000))
    radius = batch["x"].norm(dim=1)
    assert torch.allclose(radius[batch["label"] == 1] / radius[0] * (1 if batch["label"][0] == 0 else 0.25), torch.tensor(0.25), atol=1e-5)


@pytest.mark.parametrize("squares", [2, 4, 8])
def test_the_board_has_points_on_its_dark_squares_only(squares: int) -> None:
    x = points.checkerboard(squares=squares).batch(range(20_000))["x"].double()
    cell = ((x / np.sqrt(3) + 1) * (squares / 2)).floor().long()
    assert (cell.sum(1) % 2 == 0).all()
    assert len(cell.unique(dim=0)) == squares**2 // 2


def test_each_gaussian_stands_where_its_name_says() -> None:
    data = points.eight_gaussians(noise=0.05)
    batch, names = data.batch(range(4000)), data.spec.conditions["label"].names
    north = batch["x"][batch["label"] == names.index("north")].mean(0)
    assert torch.allclose(north, torch.tensor([0.0, np.sqrt(2)], dtype=torch.float32), atol=0.02)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'train'"):
        points.moons("trian")


@every_figure
def test_iterating_ends(name: str) -> None:
    data = FIGURES[name]()
    with pytest.raises(IndexError):
        data[len(data)]
