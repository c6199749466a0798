"""Muon, and who is left to AdamW."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gentk.recipes import OptimizerPart
from gentk.training.optimizers import Muon, make, orthogonalised

from .toys import settings


@pytest.mark.parametrize("shape", [(24, 24), (16, 48), (48, 16)])
def test_muon_takes_singular_values_to_about_one(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    values = torch.logspace(0, -1.5, min(shape))
    matrix = u @ torch.diag(values) @ v
    found = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.min() < 0.05
    assert found.min() > 0.65
    assert found.max() < 1.2


@pytest.mark.parametrize("shape", [(24, 24), (16, 48), (48, 16)])
def test_muon_steps_as_its_paper_does(shape: tuple[int, int]) -> None:
    """Against the iteration as it is written (Jordan et al. 2024), X ← a X + (b A + c A²) X with A = X Xᵀ, in float64."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    x = matrix.double() / matrix.double().norm()
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    assert float((orthogonalised(matrix) - x).abs().max()) <= 1e-5


def test_muon_keeps_the_directions() -> None:
    """For a matrix that is orthogonal up to a factor, the factor goes and the matrix stays."""
    q, _ = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(2)))
    found = orthogonalised(37 * q)
    cosine = (found * q).sum() / (found.norm() * q.norm())
    assert cosine > 0.99


def test_a_convolution_is_the_matrix_of_its_flattened_weight() -> None:
    torch.manual_seed(0)
    conv, matrix = nn.Conv2d(4, 6, 3, bias=False), nn.Linear(36, 6, bias=False)
    grad = torch.randn(6, 4, 3, 3)
    with torch.no_grad():
        matrix.weight.copy_(conv.weight.flatten(1))
    conv.weight.grad, matrix.weight.grad = grad.clone(), grad.flatten(1).clone()
    for layer in (conv, matrix):
        Muon([layer.weight], lr=0.1).step()
    assert torch.equal(conv.weight.flatten(1), matrix.weight)


class Text(nn.Module):
    outer = ("first", "last")

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 4)
        self.first, self.inside, self.firstly, self.last = (nn.Linear(4, 4) for _ in range(4))
        self.conv = nn.Conv1d(4, 4, 3)
        self.norm = nn.LayerNorm(4)


def names_of(model: nn.Module, part: torch.optim.Optimizer) -> set[str]:
    by_id = {id(p): name for name, p in model.named_parameters()}
    return {by_id[id(p)] for group in part.param_groups for p in group["params"]}


def test_muon_takes_the_matrices_inside_and_adamw_the_rest() -> None:
    model = Text()
    names = [name for name, _ in model.named_parameters()]
    muon, adam = make(model, names, settings(optimizer="muon", lr=0.02, adam_lr=0.003), "main").parts
    assert names_of(model, muon) == {"inside.weight", "firstly.weight", "conv.weight"}
    assert names_of(model, adam) == set(names) - names_of(model, muon)
    assert (muon.param_groups[0]["lr"], adam.param_groups[0]["lr"]) == (0.02, 0.003)


def test_an_optimizer_has_its_own_settings() -> None:
    model = Text()
    asked: dict[str, Any] = {"lr": 0.5, "betas": (0.0, 0.9), "optimizers": {"slow": OptimizerPart(lr=1e-5)}}
    names = [name for name, _ in model.named_parameters()]
    slow, other = (make(model, names, settings(**asked), key).parts[0].param_groups[0] for key in ("slow", "other"))
    assert (slow["lr"], slow["betas"]) == (1e-5, (0.0, 0.9))
    assert other["lr"] == 0.5


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_restored_optimizer_goes_on_as_the_first(kind: str) -> None:
    def gradients(model: nn.Module, k: int) -> None:
        generator = torch.Generator().manual_seed(k)
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=generator)

    torch.manual_seed(0)
    model, names = Text(), [name for name, _ in Text().named_parameters()]
    optimizer = make(model, names, settings(optimizer=kind), "main")
    for k in range(3):
        gradients(model, k)
        optimizer.step(1.0)
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    saved: dict[str, Tensor] = {k: v.clone() for k, v in optimizer.tensors().items()}
    gradients(model, 3)
    optimizer.step(0.5)
    other = Text()
    other.load_state_dict(weights)
    again = make(other, names, settings(optimizer=kind), "main")
    again.restore(saved)
    gradients(other, 3)
    again.step(0.5)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_restored_state_goes_on_in_the_memory_order_of_its_parameter(kind: str) -> None:
    """What comes from a file is in the ordinary order; a convolution is built in channels-last order."""

    def fresh() -> tuple[nn.Module, Any]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Conv2d(6, 4, 3)).to(memory_format=torch.channels_last)
        return model, make(model, [name for name, _ in model.named_parameters()], settings(optimizer=kind, lr=0.01), "main")

    def step(model: nn.Module, optimizer: Any, k: int) -> None:
        torch.manual_seed(k)
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape))
        optimizer.step(1.0)

    whole, optimizer = fresh()
    for k in range(3):
        step(whole, optimizer, k)
    state = {name: tensor.contiguous().clone() for name, tensor in optimizer.tensors().items()}
    again, restored = fresh()
    again.load_state_dict(whole.state_dict())
    restored.restore(state)
    for model, its in ((whole, optimizer), (again, restored)):
        step(model, its, 3)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
