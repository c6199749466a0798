"""Validation: every phase, with gradients, with fixed draws, and nothing is changed by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gentk.errors import GentkError
from gentk.protocols import Phase
from gentk.training import Trainer

from .toys import Duel, Mean, Net, Rows, settings


class Messy(Duel):
    """Differentiates, normalises by batches, writes and replaces buffers and parameters, and leaves gradients lying about."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("kept", torch.zeros(4, 3))
        self.modes: list[tuple[bool, bool, bool, bool]] = []

    def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
        x = batch["x"].clone().requires_grad_()
        self.modes.append((torch.is_grad_enabled(), self.training, self.critic.weight.requires_grad, self.body[0].weight.requires_grad))
        self.count += 1
        self.kept = batch["x"][:4].clone()
        (slope,) = torch.autograd.grad(self.critic(self.norm(self.body(x))).sum(), x, create_graph=True)
        loss = (slope.norm(dim=1) - 1).square().mean() + torch.randn(()) * 0.01
        if not self.training:
            loss.backward(retain_graph=True)
            with torch.no_grad():
                self.frozen.weight.add_(1)
                self.critic.weight.add_(1)
        return {"loss": loss, "slope": slope.mean(), "sums": {"rows": torch.tensor(float(len(x)), dtype=torch.float64)}}


def everything(model: nn.Module) -> dict[str, Any]:
    found = {name: (t, t.detach().clone()) for name, t in (*model.named_parameters(), *model.named_buffers())}
    return {**found, **{f"{name}.grad": (p.grad, p.requires_grad) for name, p in model.named_parameters()}}


@pytest.mark.parametrize("ema", [("body",), ()])
def test_every_phase_is_validated_with_gradients_and_nothing_changes(ema: tuple[str, ...]) -> None:
    model = Messy()
    model.ema = ema  # type: ignore[misc]
    trainer = Trainer(model, Rows(), settings(), validation=Rows(40))
    list(trainer.rounds(4))
    before = [everything(m) for m in (model, trainer.averaged)]
    model.modes = trainer.averaged.modes = []
    first = trainer.validate()
    assert first.keys() == {f"{phase}/{name}" for phase in ("critic", "body") for name in ("loss", "slope")}
    assert model.modes == [(True, False, True, False)] * 3 + [(True, False, False, True)] * 3  # 40 examples in batches of 16
    for kept, m in zip(before, (model, trainer.averaged), strict=True):
        after = everything(m)
        assert kept.keys() == after.keys()
        for name, (one, other) in kept.items():
            assert after[name][0] is one, name
            if isinstance(other, Tensor):
                assert torch.equal(one, other), name
            else:
                assert after[name][1] == other, name
    assert all(part.training for part in model.modules())
    torch.rand(3)
    assert trainer.validate() == first


def test_training_does_not_depend_on_validation() -> None:
    found = []
    for validated in (False, True):
        trainer = Trainer(Messy(), Rows(), settings(steps=6), validation=Rows(20))
        for _ in trainer.rounds():
            if validated:
                trainer.validate()
        tensors, _ = trainer.state()
        found.append({f"{group}/{name}": t for group, part in tensors.items() for name, t in part.items()})
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_validation_is_in_float32_whatever_the_training_is() -> None:
    seen: list[bool] = []

    class Asked(Net):
        def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
            seen.append("forward" in vars(self.body[0]))
            return super().loss(batch, phase, step)

    trainer = Trainer(Asked(), Rows(), settings(precision="bfloat16"), validation=Rows(16))
    next(trainer.rounds())
    trainer.validate()
    assert seen == [True, False]


def test_an_error_in_validation_names_the_phase() -> None:
    class Broken(Net):
        def phases(self) -> tuple[Phase, ...]:
            return (Phase("only"),)

        def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
            return super().loss(batch, phase, step) if self.training else {}["x"]

    with pytest.raises(GentkError, match="loss of phase 'only' failed in validation at step 0: KeyError: 'x'"):
        Trainer(Broken(), Rows(), settings(), validation=Rows(16)).validate()


def test_statistics_without_a_likelihood_are_not_validated() -> None:
    assert Trainer(Mean(), Rows(), settings(), validation=Rows(16)).validate() == {}
