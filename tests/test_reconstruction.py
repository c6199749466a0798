"""There and back, and between: through the latents of models whose maps are known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gentk
from gentk.errors import UsageError
from gentk.gaussian.schedules import Cosine
from gentk.inference.interpolation import interpolate, seeds
from gentk.inference.reconstruction import mse, psnr
from gentk.protocols import Batch, Leaf
from tests.closed_forms import Linear, TwoGaussians
from tests.gaussian.test_editing import Normal


def test_a_reconstruction_is_the_projection() -> None:
    x = torch.randn(7, 5, dtype=torch.float64)
    found = gentk.reconstruct(Linear(), {"x": x}, batch_size=3)
    assert torch.equal(found[:, :2], x[:, :2]) and bool((found[:, 2:] == 0).all())
    assert torch.allclose(mse(x, found), x[:, 2:].square().sum(1) / 5)


def test_it_hears_the_conditions_of_the_batch() -> None:
    label = torch.tensor([0, 2, 1])
    found = gentk.reconstruct(Linear(classes=3), {"x": torch.zeros(3, 5), "label": label})
    assert found[:, -1].tolist() == label.tolist()


class Codes(nn.Module):
    """Integers as latents: the sign of each number."""

    conditions: dict[str, Any] = {}
    latent = Leaf(shape=(5,), classes=2)
    data = Linear().data

    def encode(self, batch: Batch) -> Tensor:
        return (batch["x"] > 0).long()

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        return 2.0 * z - 1


def test_codes_go_there_and_back_too() -> None:
    x = torch.randn(4, 5)
    assert torch.equal(gentk.reconstruct(Codes(), {"x": x}), x.sign())
    with pytest.raises(UsageError, match="nothing lies between"):
        interpolate(Codes(), {"x": x}, 4)


def test_psnr_is_the_ratio_of_the_peak() -> None:
    """An error of a tenth of the range everywhere is 20 dB, whatever the range is."""
    for low, high in ((-1, 1), (0, 255)):
        x = torch.full((2, 3), (low + high) / 2)
        ratio = psnr(x, x + (high - low) / 10, Leaf(shape=(3,), range=(low, high)))
        assert ratio.tolist() == pytest.approx([20.0, 20.0], abs=1e-5)


def test_what_does_not_go_there_and_back_says_so() -> None:
    batch = {"x": torch.zeros(1, 3)}
    with pytest.raises(UsageError, match="gentk encode"):
        gentk.reconstruct(Normal(Cosine()), batch)
    with pytest.raises(UsageError, match="encodes and decodes"):
        gentk.reconstruct(TwoGaussians(), batch)


# ---------------------------------------------------------------- between
def test_between_labels_the_shares_go_in_equal_steps() -> None:
    """Rows: each seed by each pair; the label's coordinate is linear in the shares, the latent's stays the seed's."""
    model = Linear(classes=4)
    z = seeds(model, [0, 7, 8])
    found = interpolate(model, z, 5, labels=[3, 0, 1])["x"].view(3, 2, 5, 5)
    shares = torch.tensor([[3, 2.25, 1.5, 0.75, 0], [0, 0.25, 0.5, 0.75, 1]], dtype=found.dtype)
    assert torch.allclose(found[..., -1], shares.expand(3, 2, 5))
    assert torch.allclose(found[..., :2], z[:, None, None].expand(3, 2, 5, 2))
    ends = gentk.sample(model, 1, seed=7, label=3)["x"][0]
    assert torch.allclose(found[1, 0, 0], ends.to(found.dtype))


def test_without_a_prior_the_way_between_examples_is_straight() -> None:
    class Plain(Linear):
        prior = property()  # type: ignore[assignment]  # hasattr is False: no prior

    x = torch.tensor([[3.0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0]], dtype=torch.float64)
    straight, arc = (interpolate(model, {"x": x}, 3)["x"][1, :2].tolist() for model in (Plain(), Linear()))
    assert straight == [1.5, 0.5]
    assert arc == pytest.approx([3 / math.sqrt(2), 1 / math.sqrt(2)])


def test_what_cannot_go_between_says_so() -> None:
    model = Linear(classes=4)
    with pytest.raises(UsageError, match="say which label"):
        interpolate(model, seeds(model, [0, 1]), 4)
    with pytest.raises(UsageError, match="one class at a time"):
        interpolate(Normal(Cosine()), torch.zeros(1, 3), 4, labels=[0, 1])
    stiff = Linear(classes=4)
    stiff.blends = ()  # type: ignore[assignment]
    with pytest.raises(UsageError, match="one class at a time"):
        interpolate(stiff, seeds(stiff, [0]), 4, labels=[0, 1])
    with pytest.raises(UsageError, match="two labels"):
        interpolate(model, seeds(model, [0]), 4, labels=[2])
