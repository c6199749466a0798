"""What computes in bfloat16, and what never does."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gentk.errors import GentkError, UsageError
from gentk.training import Trainer
from gentk.training.precision import Lowered, autocast_dtype

from .toys import Net, Rows, settings

LOW = torch.bfloat16
CPU = torch.device("cpu")


class Seen(nn.Module):
    """Notes under which autocast it is called, and hands on."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.calls: list[tuple[bool, torch.dtype]] = []

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x)
        self.calls.append((torch.is_autocast_enabled("cpu"), out.dtype))
        return out


class Rotation(nn.Module):
    """A linear layer whose matrix is a product of parameters, with its log-determinant."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.low, self.high = nn.Parameter(torch.eye(d) + 0.01), nn.Parameter(torch.eye(d) + 0.02)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weight = self.low.tril() @ self.high.triu()
        return nn.functional.linear(x, weight), torch.linalg.slogdet(weight)[1]


class Delicate(Net):
    """A loss of all that autocast breaks: slogdet, cholesky, lerp with unlike types, double backward, a sum of many."""

    def __init__(self) -> None:
        super().__init__()
        self.rotation = Rotation(3)

    def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
        x = batch["x"]
        turned, log_det = self.rotation(x)
        y = self.body(turned)
        centred = y - y.mean(0)
        covariance = centred.T @ centred / len(y) + torch.eye(3)
        root = torch.linalg.cholesky(covariance)
        between = torch.lerp(x, y.detach(), torch.rand(len(x), 1)).requires_grad_()
        (slope,) = torch.autograd.grad(self.body(between).sum(), between, create_graph=True)
        loss = ((y - x) ** 2).mean() - log_det + root.diagonal().log().sum() + (slope.norm(dim=1) - 1).square().mean()
        assert all(t.dtype == torch.float32 for t in (turned, log_det, y, covariance, slope, loss))
        return {"loss": loss, "dot": (x @ x.T).mean()}


def test_what_autocast_breaks_trains_and_layers_are_in_bfloat16() -> None:
    model = Delicate()
    model.body = nn.Sequential(*(Seen(part) for part in model.body))
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    list(Trainer(model, Rows(), settings(precision="bfloat16", steps=3)).rounds())
    assert all(not torch.equal(p, before[name]) for name, p in model.named_parameters() if name in before)
    assert model.body[0].calls and all(call == (False, torch.float32) for part in model.body for call in part.calls)


def test_a_layer_computes_in_bfloat16_and_returns_float32() -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 4, 6)
    for layer in (nn.Linear(6, 3), nn.Conv1d(4, 3, 2), nn.ConvTranspose1d(4, 3, 2)):
        model = nn.ModuleDict({"layer": layer})
        whole = layer(x)
        with Lowered(model, LOW):
            low = layer(x)
        with torch.autocast("cpu", LOW):
            right = layer(x)
        assert low.dtype == torch.float32
        assert torch.equal(low, right.float())
        assert not torch.equal(low, whole)
        assert "forward" not in vars(layer)
        assert torch.equal(layer(x), whole)


def test_a_hand_written_loss_is_no_staircase() -> None:
    """Among a hundred losses near 1.4, bfloat16 knows two."""

    class Hand(Net):
        def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
            x = batch["x"]
            return {"loss": ((self.body(x) - x) ** 2).mean(), "dot": x.flatten() @ self.body(x).flatten()}

    logs = [progress.logs for progress in Trainer(Hand(), Rows(), settings(precision="bfloat16", steps=30, lr=1e-5)).rounds()]
    for name in ("loss", "dot"):
        found = torch.tensor([row[name] for row in logs])
        assert len(found.unique()) == 30
        assert not torch.equal(found.bfloat16().float(), found)


def test_a_parametrized_weight_is_made_in_float32() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(4, 4) for _ in range(3)]
    made = [
        nn.utils.parametrizations.orthogonal(layers[0]),
        nn.utils.parametrizations.spectral_norm(layers[1]),
        nn.utils.parametrizations.weight_norm(layers[2]),
    ]
    inside: list[tuple[bool, torch.dtype]] = []

    class Product(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            found = weight @ weight.T
            inside.append((torch.is_autocast_enabled("cpu"), found.dtype))
            return found + torch.linalg.slogdet(found + 9 * torch.eye(4))[1]

    model = nn.Sequential(*made, nn.utils.parametrize.register_parametrization(nn.Linear(4, 4), "weight", Product()))
    inside.clear()
    with Lowered(model, LOW):
        model(torch.randn(3, 4)).square().sum().backward()
        assert all(layer.weight.dtype == torch.float32 for layer in made)
    assert inside == [(False, torch.float32)]
    assert all(p.grad is not None for p in model.parameters())


def test_a_named_submodule_is_computed_whole_and_what_it_returns_is_float32() -> None:
    class Pair(NamedTuple):
        mean: Tensor
        parts: dict[str, Tensor]

    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen = Seen(nn.Linear(3, 3))

        def forward(self, x: Tensor) -> Pair:
            return Pair(self.seen(x), {"product": x @ x.T, "rows": torch.arange(len(x))})

    class Model(nn.Module):
        autocast = ("inner",)

        def __init__(self) -> None:
            super().__init__()
            self.inner = Inner()

    model = Model()
    with Lowered(model, LOW):
        mean, parts = model.inner(torch.randn(4, 3))
        model.inner.seen(torch.randn(4, 3))  # called past the submodule, it is a layer like others
    assert [mean.dtype, parts["product"].dtype, parts["rows"].dtype] == [torch.float32, torch.float32, torch.int64]
    assert model.inner.seen.calls == [(True, LOW), (False, torch.float32)]


def test_a_subclass_with_its_own_forward_stays_float32() -> None:
    class Invertible(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            weight = self.weight @ self.weight
            return nn.functional.linear(x, weight) + torch.linalg.slogdet(weight)[1]

    model = nn.Sequential(Invertible(3, 3))
    with Lowered(model, LOW):
        assert torch.equal(model(torch.ones(2, 3)), type(model[0]).forward(model[0], torch.ones(2, 3)))


def test_checkpoints_compute_again_as_they_did() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    x, found = torch.randn(4, 3), []
    for body in (model, lambda x: checkpoint(model, x, use_reentrant=False), lambda x: checkpoint(model, x, use_reentrant=True)):
        model.zero_grad()
        with Lowered(model, LOW):
            body(x.clone().requires_grad_()).sum().backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_nothing_is_left_behind_not_even_in_a_copy() -> None:
    layer = nn.Linear(3, 3)
    model = nn.ModuleList([layer, nn.Sequential(layer)])
    own = lambda x: x + 1  # noqa: E731
    model.append(nn.Linear(3, 3))
    model[2].forward = own
    with pytest.raises(ZeroDivisionError), Lowered(model, LOW):
        twin = copy.deepcopy(model)
        assert layer(torch.ones(1, 3)).dtype == torch.float32
        raise ZeroDivisionError
    assert "forward" not in vars(layer)
    assert vars(model[2])["forward"] is own
    with torch.no_grad():
        layer.weight.fill_(7.0)
    assert not torch.equal(twin[0](torch.ones(1, 3)), layer(torch.ones(1, 3)))


def test_latents_are_let_alone() -> None:
    model = nn.Module()
    model.net, model.latents = nn.Linear(3, 3), nn.Linear(3, 3)
    with Lowered(model, LOW):
        assert "forward" in vars(model.net)
        assert "forward" not in vars(model.latents)


def test_an_error_of_a_loss_says_where_and_what_to_try() -> None:
    class Broken(Net):
        def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
            if step == 2:
                raise ValueError("no\nway")
            return super().loss(batch, phase, step)

    for precision, hint in (("bfloat16", True), ("float32", False)):
        with pytest.raises(GentkError, match="loss of phase 'main' failed at step 2: ValueError: no way") as caught:
            list(Trainer(Broken(), Rows(), settings(precision=precision)).rounds())
        assert ("--set training.precision=float32" in str(caught.value)) is hint


def test_the_environment_says_what_auto_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENTK_PRECISION", "bfloat16")
    assert [autocast_dtype(p, CPU) for p in ("auto", "float32", "bfloat16")] == [LOW, None, LOW]
    monkeypatch.setenv("GENTK_PRECISION", "float32")
    assert [autocast_dtype(p, CPU) for p in ("auto", "float32", "bfloat16")] == [None, None, LOW]
    monkeypatch.setenv("GENTK_PRECISION", "half")
    with pytest.raises(UsageError, match="GENTK_PRECISION='half' is no precision: set it to float32 or bfloat16") as caught:
        autocast_dtype("auto", CPU)
    assert "\n" not in str(caught.value)


def test_an_unknown_submodule_is_told_at_the_start() -> None:
    class Wrong(Net):
        autocast = ("bodi",)

    with pytest.raises(UsageError, match=r"Wrong.autocast names no submodule: 'bodi'; did you mean 'body'"):
        next(Trainer(Wrong(), Rows(), settings()).rounds())
