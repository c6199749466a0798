"""`--compile`: the same training within rounding, resumed to the bit, and without a compiler all the same."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gentk.compiling import Compiled, regions
from gentk.errors import GentkError
from gentk.training import Trainer

from .toys import Net, Rows, settings


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.layer(x))


class Blocks(Net):
    """A network of blocks that are alike, between two that are not."""

    ema = ("net",)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 3), Block(), nn.ModuleList([Block()])[0], nn.Linear(3, 3))

    def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
        x = batch["x"]
        return {"loss": (self.net(x + torch.randn_like(x)) - x).square().mean()}


def run(rounds: int, *, compile: bool = True, precision: str = "float32", since: Trainer | None = None) -> Trainer:
    trainer = Trainer(Blocks(), Rows(), settings(precision=precision), compile=compile)
    if since:
        tensors, numbers = since.state()
        trainer.restore(copy.deepcopy(tensors), {**numbers, "step": since.step})
    list(trainer.rounds(rounds))
    return trainer


def weights(trainer: Trainer) -> list[Tensor]:
    return [p.detach().clone() for p in trainer.model.parameters()]


def test_the_outermost_repeated_modules_are_compiled_else_the_children_with_weights() -> None:
    model = Blocks()
    assert regions(model) == [model.net[1], model.net[2]]
    blocks = list(regions(model))
    model.latents = Blocks()
    assert regions(model) == blocks  # other blocks of the class, that a data set brought along
    plain = Net()
    assert regions(plain) == [plain.body, plain.frozen]


def compare(precision: str) -> None:
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    whole = run(12, precision=precision)
    assert 1 <= torch._dynamo.utils.counters["stats"]["unique_graphs"] - before <= 2  # not one for each block and round
    plain = run(12, compile=False, precision=precision)
    for a, b in zip(weights(whole), weights(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5 if precision == "float32" else 1e-2)
    resumed = run(12, precision=precision, since=run(5, precision=precision))
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))
    assert whole.averaged.net[1]._compiled_call_impl is None  # a copy is an ordinary model


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "c++", "clang++", "cl"))), reason="no C++ compiler")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_compiled_training_is_the_same_within_rounding_and_resumes_to_the_bit(precision: str) -> None:
    """In a process of its own: torch's compiler wants setuptools before anything else has imported distutils."""
    line = f"from tests.training.test_compiling import compare; compare('{precision}')"
    done = subprocess.run([sys.executable, "-c", line], cwd=Path(__file__).parents[2], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_without_a_compiler_it_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no C++ compiler\nis here")

    monkeypatch.setattr(Block, "compile", lambda self, **kwargs: setattr(self, "_compiled_call_impl", broken))
    found = run(6)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "without --compile" in told[0]
    assert "no C++ compiler" in told[0]
    assert all(torch.equal(a, b) for a, b in zip(weights(found), weights(run(6, compile=False)), strict=True))


def test_an_error_of_the_model_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, batch: Any, phase: str, step: int) -> Any:
        raise ValueError("shapes")

    monkeypatch.setattr(Blocks, "loss", broken)
    with pytest.raises(Exception, match="the loss of phase 'main' failed at step 0: ValueError: shapes"):
        run(2)


def test_a_loss_that_is_no_number_is_not_put_down_to_the_compiler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Block, "compile", lambda self, **kwargs: None)
    monkeypatch.setattr(Blocks, "loss", lambda self, batch, phase, step: {"loss": self.net(batch["x"]).mean() * float("nan")})
    with pytest.raises(GentkError, match="is nan at step 0"):
        run(2)
    assert "compile" not in capsys.readouterr().err


def test_only_what_computes_and_has_weights_is_compiled() -> None:
    model = nn.Module()
    model.one, model.drop = nn.Sequential(nn.Linear(2, 2)), nn.Dropout()
    found = Compiled(model)
    assert found.modules == [model.one]
