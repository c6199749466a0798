"""The average of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gentk.training import Trainer
from gentk.training.averages import Average, decay, under

from .toys import Duel, Net, Rows, settings


def test_a_path_is_a_submodule_and_no_prefix() -> None:
    assert under("ab.weight", ("ab",))
    assert not under("abx.weight", ("ab",))
    assert under("anything", ())


def test_a_fixed_decay_has_its_closed_form() -> None:
    model = Net()
    average = Average(model)
    start = model.body[0].weight.detach().clone()
    for k in range(1, 11):
        with torch.no_grad():
            model.body[0].weight.copy_(start + k)
        average.update(0.9)
    # x̄_k = x̄_{k−1}·d + (1 − d)·(x_0 + k)  →  x_0 + Σ (1 − d) d^{K−k} k
    expected = sum(0.1 * 0.9 ** (10 - k) * k for k in range(1, 11))
    assert torch.allclose(average.model.body[0].weight - start, torch.full_like(start, expected), atol=1e-5)


def test_a_growing_window_forgets_the_start() -> None:
    """With a window of a share γ of the rounds so far, weights that walk at one speed are averaged at a fixed fraction of the way,
    k / (1 + γ): the mean of the power-law profile t^{1/γ}."""
    grown, steps = settings(ema_share=0.1), 5000
    at = 0.0
    for k in range(steps):
        keep = decay(k, grown)
        at = keep * at + (1 - keep) * (k + 1)
    assert at / steps == pytest.approx(1 / 1.1, rel=1e-2)
    assert decay(0, grown) < 0.1


def test_only_ema_is_averaged_and_the_rest_follows() -> None:
    model = Duel()
    trainer = Trainer(model, Rows(), settings(ema_decay=0.5))
    for _ in trainer.rounds(7):
        pass
    shadow = trainer.averaged
    assert not torch.equal(shadow.body[0].weight, model.body[0].weight)
    assert torch.equal(shadow.critic.weight, model.critic.weight)
    assert torch.equal(shadow.seen, model.seen)


class Tied(nn.Module):
    ema = ("a", "b")
    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.b.weight = self.a.weight
        self.register_buffer("count", torch.zeros(1))


def test_tied_weights_are_averaged_once() -> None:
    model = Tied()
    average = Average(model)
    before = model.a.weight.detach().clone()
    with torch.no_grad():
        model.a.weight += 1
    average.update(0.75)
    assert torch.allclose(average.model.a.weight, before + 0.25)
    assert average.model.a.weight is average.model.b.weight


def test_a_buffer_that_was_replaced_is_followed() -> None:
    model = Tied()
    average = Average(model)
    model.count = model.count + 5
    average.update(0.5)
    assert float(average.model.count) == 5
