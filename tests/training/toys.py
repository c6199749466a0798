"""Models and data sets as small as a trainer's properties allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from gentk.protocols import DataSpec, Leaf, Phase
from gentk.recipes import TrainingPart

SPEC = DataSpec(modality="points", leaves={"x": Leaf(shape=(3,)), "length": Leaf(classes=6)})


class Rows:
    """`size` examples: x (3,), and length in 1 … 5. Counts how often it is asked."""

    spec = SPEC

    def __init__(self, size: int = 64) -> None:
        generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(size, 3, generator=generator)
        self.length = torch.randint(1, 6, (size,), generator=generator)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index], "length": self.length[index]}


class Shaken(Rows):
    """Augmented: each fetched example is moved by its own noise."""

    def batch(self, indices: Sequence[int], noise: Any = None) -> dict[str, Tensor]:
        rows = torch.tensor([int(i) for i in indices])
        x = self.x[rows]
        return {"x": x if noise is None else x + 0.1 * noise.normal(3), "length": self.length[rows]}


class Empty(BaseModel):
    """No settings."""


class Net(nn.Module):
    """One phase. The loss is a mean over tokens (`length`), with a draw where `draws` says so."""

    Config = Empty
    config = Empty()
    conditions: Mapping[str, Any] = {}
    ema: tuple[str, ...] = ("body",)

    def __init__(self, *, draws: bool = True) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.body = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3))
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        for p in self.parameters():
            p.data = 0.5 * torch.randn(p.shape, generator=generator)
        self.draws, self.data = draws, SPEC

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
        x, weight = batch["x"], batch["length"].to(batch["x"].dtype)
        noise = torch.randn_like(x) if self.draws else torch.ones_like(x)
        error = (self.body(x + noise) - self.frozen(x)).square().mean(1)
        return {"loss": (error * weight).sum() / weight.sum(), "weight": weight.sum()}


class Duel(Net):
    """Two phases, the second every third round; each counts what it sees in `after`."""

    ema = ("body",)
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Linear(3, 1)
        with torch.no_grad():
            self.critic.weight.fill_(0.3)
            self.critic.bias.fill_(0.1)
        self.register_buffer("seen", torch.zeros(2, dtype=torch.float64))
        self.calls: list[tuple[str, int, float]] = []
        self.batches: list[tuple[str, int, Tensor]] = []

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("critic", ("critic",)), Phase("body", ("body",), every=3))

    def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
        self.batches.append((phase, step, batch["x"].clone()))
        x = batch["x"]
        made = self.body(torch.randn_like(x))
        apart = self.critic(made).mean() - self.critic(x).mean()
        loss = apart + self.critic.weight.square().sum() if phase == "critic" else -apart
        return {"loss": loss, "sums": {"rows": torch.tensor(float(len(x)), dtype=torch.float64)}, "apart": apart}

    def after(self, phase: str, step: int, sums: Mapping[str, Tensor]) -> None:
        assert not torch.is_grad_enabled()
        self.calls.append((phase, step, float(sums["rows"])))
        self.seen[int(phase == "body")] += sums["rows"]


class Mean(nn.Module):
    """A statistics model: it walks half-way to the data's mean with each pass."""

    Config = Empty
    config = Empty()
    passes = 40
    conditions: Mapping[str, Any] = {}
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.data = SPEC
        self.register_buffer("mean", torch.zeros(3, dtype=torch.float64))

    def statistics(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = batch["x"].double()
        return {"x": x.sum(0), "far": (x - self.mean).square().sum(), "n": torch.tensor(float(len(x)), dtype=torch.float64)}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        self.mean.lerp_(stats["x"] / stats["n"], 0.5)
        return {"log_likelihood": -float(stats["far"] / stats["n"])}


def settings(**changes: Any) -> TrainingPart:
    plain = {"steps": 12, "batch_size": 16, "precision": "float32", "warmup": 0.0, "lr": 1e-2, "lr_schedule": "constant"}
    return TrainingPart(**{**plain, **changes})
