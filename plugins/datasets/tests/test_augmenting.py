"""Augmentation of the data sets: drawn from the noise, of the strength that was asked for, on the training split alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gentk.errors import UsageError
from gentk.host.lookup import dataset
from gentk.noise import Philox
from gentk_datasets.augmenting import augmented
from gentk_datasets.digits import digits
from gentk_datasets.npz import npz
from gentk_datasets.options import Augment

STRONG = {"flip": True, "shift": 0.2, "rotate": 20, "zoom": 0.2, "colour": 0.3}


def spot(n: int) -> torch.Tensor:
    """One white pixel in the middle of black ones."""
    x = torch.full((n, 1, 15, 15), -1.0)
    x[:, :, 7, 7] = 1
    return x


def where(x: torch.Tensor) -> torch.Tensor:
    """The centre of what is bright, (n, 2)."""
    light = (x[:, 0] + 1).double()
    grid = torch.stack(torch.meshgrid(torch.arange(15), torch.arange(15), indexing="ij"), -1).double()
    return (light[..., None] * grid).sum((1, 2)) / light.sum((1, 2))[:, None]


def test_a_shift_is_of_whole_pixels_and_never_further() -> None:
    moved = augmented(spot(2000), Augment(shift=0.2), Philox(0, range(2000)), levels=256)
    far = where(moved) - 7
    assert torch.equal(moved.unique(), torch.tensor([-1.0, 1.0]))  # nothing is blurred
    assert set(far.round().unique().tolist()) == {-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0}
    assert far.mean(0).abs().max() < 0.15


def test_a_turn_keeps_the_middle_and_its_degrees() -> None:
    x = torch.full((500, 1, 15, 15), -1.0)
    x[:, :, 7, 12] = 1  # five pixels to the right
    far = where(augmented(x, Augment(rotate=30), Philox(0, range(500)), levels=0)) - 7
    angle = torch.rad2deg(torch.atan2(far[:, 0], far[:, 1]))
    assert 25 < angle.abs().max() < 31.5 and angle.mean().abs() < 3
    assert (far.norm(dim=1) - 5).abs().max() < 0.4


def test_a_zoom_is_as_often_larger_as_smaller() -> None:
    x = torch.full((500, 1, 15, 15), -1.0)
    x[:, :, 4:11, 4:11] = 1
    area = (augmented(x, Augment(zoom=0.3), Philox(0, range(500)), levels=0) > 0).sum((1, 2, 3)) / 49
    assert 1.3 < area.max() < 1.3**2 + 0.3 and 0.3 < area.min() < 0.75
    assert 0.9 < area.median() < 1.1


def test_colour_moves_nothing_and_stays_in_range() -> None:
    x = torch.rand(300, 3, 6, 6) * 2 - 1
    changed = augmented(x, Augment(colour=0.3), Philox(0, range(300)), levels=0)
    assert changed.abs().max() <= 1 and (changed - x).abs().amax((1, 2, 3)).median() > 0.05
    calm = x / 4  # too far from black and white to be cut
    changed = augmented(calm, Augment(colour=0.3), Philox(0, range(300)), levels=0)
    brightness = (changed - calm).mean((1, 2, 3))
    assert 0.25 < brightness.abs().max() <= 0.3001
    saturation = lambda x: (x - x.mean(1, keepdim=True)).norm(dim=1)  # noqa: E731
    ratio = saturation(changed) / saturation(calm)
    assert (ratio.amax((1, 2)) - ratio.amin((1, 2))).max() < 1e-3  # the same for all pixels of an image


def test_one_row_does_not_know_the_others(tmp_path: Path) -> None:
    data = digits(augment=STRONG)
    first = data.batch(range(40), Philox(1, range(40)))["x"]
    assert torch.equal(first[20:30], data.batch(range(20, 30), Philox(1, range(20, 30)))["x"])
    assert not torch.equal(first, data.batch(range(40), Philox(2, range(40)))["x"])
    steps = (first + 1) * 8
    assert torch.equal(steps, steps.round())  # still on the 17 levels, so that a likelihood stays one
    assert torch.equal(data.batch(range(40))["x"], digits().batch(range(40))["x"])
    held_out = digits("test", augment=STRONG)
    assert torch.equal(held_out.batch(range(9), Philox(1, range(9)))["x"], held_out.batch(range(9))["x"])


def test_all_of_it_through_the_options_of_a_recipe(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 9), np.uint8)
    np.savez(tmp_path / "x.npz", x=pixels)
    (tmp_path / "few").mkdir()
    for i, one in enumerate(pixels):
        Image.fromarray(one).save(tmp_path / "few" / f"{i}.png")
    for name in (f"npz:{tmp_path}/x.npz", f"folder:{tmp_path}/few"):
        plain, data = dataset(name), dataset(name, options={"augment": STRONG})
        x = data.batch([0, 1, 2], Philox(0, range(3)))["x"]  # type: ignore[attr-defined]
        bytes_ = (x + 1) * 127.5
        assert (bytes_ - bytes_.round()).abs().max() < 1e-3
        assert not torch.equal(x, plain.batch([0, 1, 2], Philox(0, range(3)))["x"])  # type: ignore[attr-defined]
        with pytest.raises(UsageError, match=r"augment\.rotate"):
            dataset(name, options={"augment": {"rotate": 500}})


def test_points_are_not_augmented(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((20, 2)))
    with pytest.raises(UsageError, match=r"dataset\.options\.augment is of images, and these are points"):
        npz(path=str(tmp_path / "x.npz"), augment={"shift": 0.1})
