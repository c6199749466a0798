"""A device that computes ahead of its host: nothing in a round waits for it, and what is no number still changes nothing.

The host's own CPU plays that device; `meta`, whose numbers nobody can read, plays one that would betray any waiting.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from gentk.errors import GentkError
from gentk.training import Trainer, gate, optimizers
from gentk.training.logs import Logs, read

from .toys import Duel, Net, Rows, settings


class Normed(Net):
    """Writes buffers in its loss, and replaces one."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("seen", torch.zeros(()))

    def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
        self.seen = self.seen + 1
        return super().loss({**batch, "x": self.norm(batch["x"])}, phase, step)


MODELS = {"one phase": (Net, {}), "two phases": (Duel, {}), "muon": (Net, {"optimizer": "muon"}), "buffers": (Normed, {})}


def poisoned(kind: type[Net], step: int, phase: str) -> type[Net]:
    """`kind`, whose loss of `phase` in round `step` is NaN, or (1, 9) infinite with a good gradient, or (0) good with a NaN gradient."""

    class Poisoned(kind):  # type: ignore[valid-type, misc]
        def loss(self, batch: Mapping[str, Tensor], of: str, k: int) -> dict[str, Any]:
            out: dict[str, Any] = super().loss(batch, of, k)
            good = out["loss"]
            bad = good + float("inf") if step in (1, 9) else good * float("nan") if step else good + (0 * good).sqrt()
            return {**out, "loss": bad} if (k, of) == (step, phase) else out

    return Poisoned


def trained(kind: type[Net], rounds: int, **changes: Any) -> Trainer:
    trainer = Trainer(kind(), Rows(), settings(log_every=4, **changes))
    list(trainer.rounds(rounds))
    return trainer


def everything(trainer: Trainer) -> dict[str, Tensor]:
    tensors, _ = trainer.state()
    return {f"{group}/{name}": tensor.clone() for group, part in tensors.items() for name, tensor in part.items()}


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "AHEAD", {"cpu", "meta"})


@pytest.mark.parametrize("name", MODELS)
def test_asking_on_the_device_trains_the_same_weights(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, changes = MODELS[name]
    expected = trained(kind, 10, **changes)
    monkeypatch.setattr(gate, "AHEAD", {"cpu"})
    found = trained(kind, 10, **changes)
    assert found.last == expected.last
    assert found.means.take() == expected.means.take()
    a, b = everything(expected), everything(found)
    assert a.keys() == b.keys()
    for key in a:
        torch.testing.assert_close(b[key], a[key], rtol=0, atol=1e-6 if key.startswith("averaged") else 0)


@pytest.mark.usefixtures("ahead")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("step", "stop"), [(6, 8), (9, 12), (0, 4)])
def test_what_is_no_number_changes_nothing_and_is_told_at_the_next_look(name: str, step: int, stop: int) -> None:
    kind, changes = MODELS[name]
    phase = "body" if kind is Duel else "main"  # the second to run: the critic has stepped by then
    trainer = Trainer(poisoned(kind, step, phase)(), Rows(), settings(log_every=4, **changes))
    before = trained(kind, step, **changes)
    seen = []
    with pytest.raises(GentkError, match=f"the (loss|gradient) of phase '{phase}' is (nan|inf) at step {step}: lower training.lr"):
        for progress in trainer.rounds():
            seen.append(progress.step)
    assert seen == list(range(1, stop))  # the host went on until it looked
    assert trainer.step == step
    a, b = everything(before), everything(trainer)
    assert [key for key in a if not torch.equal(a[key], b[key])] == []
    assert trainer.last == before.last
    trainer.model.__class__ = kind  # the cause is taken away
    list(trainer.rounds(13))
    whole = everything(trained(kind, 13, **changes))
    assert [key for key, value in everything(trainer).items() if not torch.equal(value, whole[key])] == []


@pytest.mark.usefixtures("ahead")
def test_a_state_asked_for_between_two_looks_is_of_a_round_that_was_numbers() -> None:
    trainer = Trainer(poisoned(Net, 1, "main")(), Rows(), settings(log_every=100))
    list(trainer.rounds(1))
    rounds = trainer.rounds()
    for _ in range(5):
        next(rounds)
    with pytest.raises(GentkError, match="is inf at step 1"):
        trainer.state()
    assert trainer.step == 1
    a, b = everything(trained(Net, 1)), everything(trainer)
    assert [key for key in a if not torch.equal(a[key], b[key])] == []


@pytest.mark.usefixtures("ahead")
def test_an_error_is_put_down_to_the_number_before_it() -> None:
    class Late(poisoned(Net, 2, "main")):  # type: ignore[misc]
        def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
            if step == 5:
                raise RuntimeError("shapes")
            out: dict[str, Any] = super().loss(batch, phase, step)
            return out

    with pytest.raises(GentkError, match="is nan at step 2"):
        list(Trainer(Late(), Rows(), settings(log_every=100)).rounds())


class Within(TorchDispatchMode):
    """Counts what torch itself reads, such as a number that an operator asks for."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return func(*args, **(kwargs or {}))


class Waits(TorchFunctionMode):
    """Counts how often the host reads what a device has computed."""

    READS = {getattr(Tensor, name) for name in ("tolist", "item", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__")}

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.within = 0, Within()

    @property
    def count(self) -> int:
        return self.asked + self.within.count

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.asked += func in self.READS
        return func(*args, **(kwargs or {}))

    def __enter__(self) -> Waits:
        self.within.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.within.__exit__(*error)


class Quiet(Duel):
    """Its `after` reads no number either."""

    def after(self, phase: str, step: int, sums: Mapping[str, Tensor]) -> None:
        self.seen[int(phase == "body")] += sums["rows"]


@pytest.mark.parametrize("name", MODELS)
def test_the_host_reads_nothing_within_a_round(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, changes = MODELS[name]
    kind = Quiet if kind is Duel else kind
    counts = []
    for devices in ({"cpu"}, set()):
        monkeypatch.setattr(gate, "AHEAD", devices)
        trainer = Trainer(kind(), Rows(), settings(log_every=100, clip=1.0, accumulate=2, **changes))
        rounds = trainer.rounds()
        next(rounds)
        with Waits() as waits:
            for _ in range(6):
                next(rounds)
        counts.append(waits.count)
    assert counts[0] == 0
    assert counts[1] >= 6  # the host that computes itself looks every round


@pytest.mark.usefixtures("ahead")
@pytest.mark.parametrize("name", MODELS)
def test_rounds_run_where_no_number_can_be_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, changes = MODELS[name]
    kind = Quiet if kind is Duel else kind
    monkeypatch.setattr(optimizers, "FUSED", ("meta",))
    monkeypatch.setattr(sys.modules["torch.optim.optimizer"], "_get_fused_kernels_supported_devices", lambda: ["meta"])
    trainer = Trainer(kind(), Rows(), settings(log_every=100, clip=1.0, accumulate=2, **changes), device="meta")
    rounds = trainer.rounds()
    logs = [next(rounds).logs for _ in range(5)]
    assert all(name.endswith(("loss", "grad", "apart", "seen")) for found in logs for name in found)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        trainer.look()


def test_values_of_many_rounds_come_in_one_transfer() -> None:
    many = [Logs({"kept": 1.0}) for _ in range(3)]
    for k, logs in enumerate(many):
        logs.write(["a", "b"], torch.tensor([k, 10.0 + k], dtype=torch.float64))
        logs.write(["c"] if k else [], torch.full((1 if k else 0,), 7.0, dtype=torch.float64))
    with Waits() as waits:
        read(many)
    assert waits.count == 1
    assert [dict(logs) for logs in many] == [{"kept": 1.0, "a": 0.0, "b": 10.0}] + [
        {"kept": 1.0, "a": float(k), "b": 10.0 + k, "c": 7.0} for k in (1, 2)
    ]
