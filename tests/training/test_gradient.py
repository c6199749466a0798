"""One round: phases, micro-batches, weights, sums, what stays frozen, what must stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from gentk.distributed import Ranks
from gentk.errors import GentkError, UsageError
from gentk.protocols import Phase
from gentk.training import Trainer
from gentk.training.gradient import GradientRounds

from .toys import Duel, Net, Rows, Shaken, settings


def gradients(model: Net, count: int, batch: Mapping[str, Tensor]) -> list[Tensor]:
    """What the optimizer would be given for `batch` in `count` micro-batches."""
    rounds = GradientRounds(model, settings(), Ranks(), None)
    found: list[Tensor] = []

    class Catch:
        def step(self, share: float) -> None:
            found.extend(p.grad.clone() for p in rounds.owned["main"] if p.grad is not None)

    rounds.optimizers["main"] = Catch()  # type: ignore[assignment]
    rounds.round(0, batch, 0, count)
    return found


def test_eight_micro_batches_are_one_batch_weighted_by_tokens() -> None:
    rows = Rows(64)
    batch = {"x": rows.x, "length": rows.length}
    whole, parts = gradients(Net(draws=False), 1, batch), gradients(Net(draws=False), 8, batch)
    assert len(whole) == 4
    for a, b in zip(whole, parts, strict=True):
        assert float((a - b).abs().max()) <= 1e-6
    means = [gradients(Net(draws=False), 1, {k: v[i : i + 8] for k, v in batch.items()}) for i in range(0, 64, 8)]
    unweighted = torch.stack([m[0] for m in means]).mean(0)
    assert float((whole[0] - unweighted).abs().max()) > 1e-4  # a mean of means is another gradient


def test_micro_batches_log_what_the_whole_batch_does() -> None:
    """Means over tokens, and the norm of the mean's gradient: in one micro-batch or in four."""
    rows = Rows(64)
    logs = [
        dict(GradientRounds(Net(draws=False), settings(), Ranks(), None).round(0, {"x": rows.x, "length": rows.length}, 0, count))
        for count in (1, 4)
    ]
    assert logs[0].keys() == logs[1].keys() == {"loss", "grad"}
    assert logs[1] == pytest.approx(logs[0], rel=1e-6)
    assert len({round(value, 3) for value in logs[0].values()}) == 2


def test_each_micro_batch_draws_its_own() -> None:
    """With draws, halves of the same rows must not see the same noise."""
    row = {"x": torch.zeros(2, 3), "length": torch.ones(2, dtype=torch.int64)}
    seen: list[Tensor] = []

    class Watch(Net):
        def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
            seen.append(torch.rand(4))
            return super().loss(batch, phase, step)

    gradients(Watch(), 2, row)
    gradients(Watch(), 2, row)
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])


def test_phases_run_when_they_are_due_and_see_the_same_batch() -> None:
    model = Duel()
    trainer = Trainer(model, Rows(), settings(steps=7))
    logs = [progress.logs for progress in trainer.rounds()]
    assert [(phase, step) for phase, step, _ in model.calls] == [
        ("critic", 0), ("body", 0), ("critic", 1), ("critic", 2), ("critic", 3), ("body", 3), ("critic", 4), ("critic", 5),
        ("critic", 6), ("body", 6),
    ]  # fmt: skip
    of = {(phase, step): x for phase, step, x in model.batches}
    assert torch.equal(of["critic", 3], of["body", 3])
    assert not torch.equal(of["critic", 3], of["critic", 4])
    assert {"critic/loss", "body/loss", "body/apart"} <= logs[3].keys()
    assert "body/loss" not in logs[4]


def test_sums_are_added_over_micro_batches_and_handed_to_after() -> None:
    model = Duel()
    trainer = Trainer(model, Rows(), settings(accumulate=4, steps=3))
    list(trainer.rounds())
    assert [rows for _, _, rows in model.calls] == [16.0] * 4
    assert model.seen.tolist() == [48, 16]


def test_what_is_frozen_stays_frozen_and_phases_train_their_own() -> None:
    model = Duel()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    free = {name for name, p in model.named_parameters() if p.requires_grad}
    trainer = Trainer(model, Rows(), settings(weight_decay=0.1))
    for progress in trainer.rounds():
        moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        if progress.step == 1:
            assert moved == free
        body = model.body[0].weight.detach().clone()
        if progress.step == 2:
            held = body
        if progress.step == 3:
            assert torch.equal(body, held)  # round 2 trains the critic alone
    assert torch.equal(model.frozen.weight, before["frozen.weight"])
    assert {name for name, p in model.named_parameters() if p.requires_grad} == free


def test_parameters_are_free_again_where_the_caller_breaks_off() -> None:
    model = Duel()
    free = {name for name, p in model.named_parameters() if p.requires_grad}
    rounds = Trainer(model, Rows(), settings()).rounds()
    next(rounds)
    rounds.close()  # type: ignore[attr-defined]
    assert {name for name, p in model.named_parameters() if p.requires_grad} == free


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_before_it_does_harm(value: float) -> None:
    class Broken(Net):
        def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
            out = super().loss(batch, phase, step)
            return {**out, "loss": out["loss"] * (value if step == 4 else 1)}

    model = Broken()
    with pytest.raises(GentkError, match=r"phase 'main' is (nan|inf) at step 4") as caught:
        list(Trainer(model, Rows(), settings()).rounds())
    assert "\n" not in str(caught.value)
    assert all(p.isfinite().all() for p in model.parameters())


def test_a_gradient_that_is_no_number_stops_too() -> None:
    class Steep(Net):
        def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
            out = super().loss(batch, phase, step)
            zero = self.body[0].weight.sum() * 0
            return {**out, "loss": out["loss"] + (zero.sqrt() if step == 2 else 0)}  # 0 itself, with slope ∞ · 0

    model = Steep()
    with pytest.raises(GentkError, match="the gradient of phase 'main' is nan at step 2"):
        list(Trainer(model, Rows(), settings()).rounds())
    assert all(p.isfinite().all() for p in model.parameters())


def test_clipping_bounds_the_step_and_keeps_its_direction() -> None:
    rows = Rows(16)
    batch = {"x": 100 * rows.x, "length": rows.length}

    def clipped(clip: float | None) -> Tensor:
        rounds = GradientRounds(Net(draws=False), settings(clip=clip), Ranks(), None)
        found: list[Tensor] = []

        class Catch:
            def step(self, share: float) -> None:
                found.append(torch.cat([p.grad.flatten() for p in rounds.owned["main"] if p.grad is not None]))

        rounds.optimizers["main"] = Catch()  # type: ignore[assignment]
        rounds.round(0, batch, 0, 1)
        return found[0]

    free, held = clipped(None), clipped(1.0)
    assert free.norm() > 10
    assert float(held.norm()) == pytest.approx(1.0, rel=1e-4)
    assert torch.allclose(held, free / free.norm(), atol=1e-5)


def test_phases_that_share_an_optimizer_both_train() -> None:
    class Shared(Duel):
        def phases(self) -> tuple[Phase, ...]:
            return Phase("critic", ("critic",), optimizer="one"), Phase("body", ("body",), optimizer="one")

    model = Shared()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    list(Trainer(model, Rows(), settings(steps=2)).rounds())
    assert not torch.equal(model.critic.weight, before["critic.weight"])
    assert not torch.equal(model.body[0].weight, before["body.0.weight"])


def test_settings_of_an_optimizer_that_is_not_there_are_refused() -> None:
    trainer = Trainer(Duel(), Rows(), settings(optimizers={"critik": {"lr": 0.1}}))
    with pytest.raises(UsageError, match=r"critik.*did you mean 'critic'"):
        next(trainer.rounds())


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(UsageError, match="batch_size = 16 does not divide into 3 micro-batches"):
        Trainer(Net(), Rows(), settings(accumulate=3))


def test_augmentation_draws_from_places_alone() -> None:
    """The same training whether batches are fetched one by one or ahead, and after a restart in the middle."""
    straight, stopped = Net(), Net()
    list(Trainer(straight, Shaken(), settings()).rounds())
    first = Trainer(stopped, Shaken(), settings())
    list(first.rounds(5))
    tensors, numbers = first.state()
    torch.manual_seed(123)
    second = Trainer(Net(), Shaken(), settings())
    second.restore({n: {k: v.clone() for k, v in group.items()} for n, group in tensors.items()}, {**numbers, "step": first.step})
    list(second.rounds())
    for a, b in zip(straight.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    plain = Net()
    list(Trainer(plain, Rows(), settings()).rounds())
    assert not torch.equal(plain.body[0].weight, straight.body[0].weight)


def test_stopping_early_does_not_change_the_rates() -> None:
    whole, part = Net(), Net()
    trainer = Trainer(whole, Rows(), settings(lr_schedule="linear", steps=20))
    at_six = next(
        [p.detach().clone() for p in whole.parameters()] for progress in trainer.rounds() if progress.step == 6
    )  # fmt: skip
    list(Trainer(part, Rows(), settings(lr_schedule="linear", steps=20)).rounds(6))
    assert all(torch.equal(a, b) for a, b in zip(at_six, part.parameters(), strict=True))


def test_start_sees_a_fixed_number_of_examples_once() -> None:
    seen: list[int] = []

    class Started(Net):
        def start(self, batch: Mapping[str, Tensor]) -> None:
            assert not torch.is_grad_enabled()
            seen.append(len(batch["x"]))

    for size in (8, 16):
        trainer = Trainer(Started(), Rows(3000), settings(batch_size=size, steps=2))
        list(trainer.rounds(1))
        tensors, numbers = trainer.state()
        again = Trainer(Started(), Rows(3000), settings(batch_size=size, steps=2))
        again.restore(tensors, {**numbers, "step": 1})
        list(again.rounds())
    assert seen == [1024, 1024]


def test_validation_is_fixed_and_reads_the_average() -> None:
    model = Net()
    trainer = Trainer(model, Rows(), settings(ema_decay=0.9), validation=Rows(100))
    list(trainer.rounds(6))
    first = trainer.validate()
    torch.rand(3)
    assert trainer.validate() == first
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    assert trainer.validate() == first
    assert model.training


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor keeps them")
def test_a_round_meets_no_denormal_numbers_and_leaves_them_be() -> None:
    """The momentum of a weight whose gradient is 0 ends at 0, not among numbers that are 200 times as slow."""
    tiny, seen = torch.tensor(1e-40), []

    class Dead(Net):
        def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> Mapping[str, Any]:
            seen.append(float((tiny * 0.5) * 1e30))
            return super().loss(batch, phase, step)

    rows = Rows(8)
    rounds = GradientRounds(Dead(draws=False), settings(), Ranks(), None)
    rounds.round(0, {"x": rows.x, "length": rows.length}, 0, 1)
    assert seen == [0.0] and float((tiny * 0.5) * 1e30) == pytest.approx(5e-11, rel=1e-3)
