"""In float64, where rounding hides nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gentk.distributed import Ranks
from gentk.training import Trainer
from gentk.training.averages import Average, decay
from gentk.training.gradient import GradientRounds

from .toys import Net, Rows, settings


@pytest.mark.parametrize("count", [2, 8])
def test_micro_batches_are_one_batch_to_the_last_digits(count: int) -> None:
    rows = Rows(64)
    found: list[list[Tensor]] = []
    for parts in (1, count):
        rounds = GradientRounds(Net(draws=False).double(), settings(), Ranks(), None)

        class Catch:
            def step(self, share: float, of: GradientRounds = rounds) -> None:
                found.append([p.grad.clone() for p in of.owned["main"] if p.grad is not None])

        rounds.optimizers["main"] = Catch()  # type: ignore[assignment]
        rounds.round(0, {"x": rows.x.double(), "length": rows.length}, 0, parts)
    assert len(found[0]) == 4
    model = Net(draws=False).double()
    model.loss({"x": rows.x.double(), "length": rows.length}, "main", 0)["loss"].backward()
    own = [p.grad for p in model.body.parameters() if p.grad is not None]
    assert max(float((a - b).abs().max()) for a, b in zip(found[1], own, strict=True)) <= 1e-12
    assert max(float((a - b).abs().max()) for a, b in zip(*found, strict=True)) <= 1e-12


def test_a_growing_window_starts_at_the_weights() -> None:
    model, grown = Net().double(), settings(ema_share=0.1)
    average = Average(model)
    start = model.body[0].weight.detach().clone()
    assert torch.equal(average.model.body[0].weight, start)
    with torch.no_grad():
        model.body[0].weight += 1
    average.update(decay(0, grown))
    assert torch.allclose(average.model.body[0].weight, start + 1 / 1.1, atol=1e-12)


def test_no_round_is_trained_where_none_is_asked_for() -> None:
    trainer = Trainer(Net(), Rows(), settings())
    assert list(trainer.rounds(0)) == []
    assert trainer.step == 0
