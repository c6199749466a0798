"""Augmentation that does not leak: what is told says exactly what was done, and nothing is told of what was not."""

from __future__ import annotations

import math

import pytest
import torch

from gentk.data.warping import mirrored, shifted, stretched, turned, warped
from gentk.protocols import DataSpec, Leaf
from gentk_ddpm.augmenting import TOLD, augmented
from gentk_ddpm.config import DDPMConfig
from gentk_ddpm.model import DDPM

SMALL = {"channels": (16,), "layers": 1, "attention": (False,), "groups": 8, "head_dim": 16, "dropout": 0.0}
DATA = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 12, 16), range=(-1, 1))})


def pictures(n: int = 64) -> torch.Tensor:
    return torch.rand(n, 1, 12, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def model(augment: float) -> DDPM:
    torch.manual_seed(0)
    made = DDPM(DDPMConfig(**SMALL, augment=augment), DATA)  # type: ignore[arg-type]
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


def test_what_is_told_is_what_was_done() -> None:
    x = pictures(200)
    torch.manual_seed(1)
    changed, told = augmented(x, 0.5)
    across, down, zoom, cos, sin, along, beside, right, below = told.double().unbind(1)
    axis, stretch = torch.atan2(beside, along) / 2, torch.hypot(along, beside)
    matrix = (
        shifted((right * 16).round(), (below * 12).round())
        @ turned(axis) @ stretched(2.0**stretch, 2.0**-stretch) @ turned(-axis)
        @ turned(torch.atan2(sin, cos + 1))
        @ stretched(2.0**zoom, 2.0**zoom)
        @ mirrored(down > 0, up_and_down=True)
        @ mirrored(across > 0)
    )  # fmt: skip
    assert (warped(x, matrix[:, :2]) - changed).abs().max() < 1e-3
    for number in told.unbind(1):
        assert 0.35 < (number != 0).double().mean() < 0.65, "each change is made to its share"


def test_what_nothing_is_told_of_is_as_it_was() -> None:
    x = pictures()
    torch.manual_seed(2)
    changed, told = augmented(x, 0.05)
    same = (told == 0).all(1)
    assert 5 < int(same.sum()) < 60
    assert (changed - x)[same].abs().max() < 1e-5
    assert ((changed - x)[~same].abs().amax((1, 2, 3)) > 0.01).all()


def test_a_network_that_is_told_nothing_is_the_one_that_is_told_zeros() -> None:
    made, x, t = model(0.3).eval(), pictures(4), torch.tensor(0.4)
    bare = made.ask(x, t, None)
    assert torch.equal(bare, made.ask(x, t, None, torch.zeros(4, TOLD)))
    assert (bare - made.ask(x, t, None, torch.ones(4, TOLD))).abs().max() > 1e-3


def test_only_training_augments() -> None:
    x = {"x": pictures()}
    losses = []
    for training in (True, False):
        for augment in (0.0, 0.9):
            made = model(augment).train(training)
            if augment:
                made.net.load_state_dict(model(0.0).net.state_dict(), strict=False)
            torch.manual_seed(3)
            losses.append(float(made.loss(x, "main", 0)["loss"].detach()))
    assert losses[2] == losses[3]  # validated as they are
    assert losses[0] != losses[1]


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_quarter_turns_shifts_and_mirrors_are_exact(quarter: int) -> None:
    x = torch.rand(3, 2, 8, 8)
    turn = turned(torch.full((3,), quarter * math.pi / 2))[:, :2]
    assert (warped(x, turn) - x.rot90(-quarter, (2, 3))).abs().max() < 1e-5
    assert (warped(x, mirrored(torch.tensor([True, False, True]))[:, :2])[::2] - x[::2].flip(-1)).abs().max() < 1e-5
    moved = warped(x, shifted(torch.full((3,), 2.0), torch.full((3,), -1.0))[:, :2])
    assert (moved[:, :, :-1, 2:] - x[:, :, 1:, :-2]).abs().max() < 1e-5


def test_twice_as_large_is_interpolated_twice_as_large() -> None:
    x = torch.linspace(-1, 1, 9).expand(1, 1, 9, 9).clone()
    larger = warped(x, stretched(torch.tensor([2.0]), torch.tensor([1.0]))[:, :2])
    assert torch.allclose(larger[0, 0, 4], torch.linspace(-0.5, 0.5, 9), atol=1e-5)
