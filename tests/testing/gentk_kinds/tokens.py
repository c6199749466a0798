"""Sequence models: each token by the sum of what those before it say, kept in a cache."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gentk.conditions import Text
from gentk.protocols import Batch, Begun, DataSpec, Leaf, Noise, Phase

from .config import Config as Options


class Chain(nn.Module):
    """Logits of token i: those of the beginning, and of the sum of tokens before it with falling weights. `likelihood` is exact."""

    Config = Options
    likelihood: Literal["exact"] = "exact"
    stop: int | None = None

    def __init__(self, config: Options, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        self.length, self.classes = data.shape[0], data.leaves["x"].classes
        self.conditions = {"prompt": Text(length=self.length)}
        self.token = nn.Embedding(self.classes, config.width)
        self.first = nn.Parameter(torch.zeros(config.width))
        self.head = nn.Linear(config.width, self.classes)

    def states(self, tokens: Tensor, state: Tensor) -> Tensor:
        """(n, k) tokens after a state (n, width) → the states after each, (n, k, width)."""
        found = []
        for i in range(tokens.shape[1]):
            state = 0.5 * state + self.token(tokens[:, i])
            found.append(state)
        return torch.stack(found, 1)

    def begun(self, n: int) -> Tensor:
        return self.first.expand(n, -1)

    def nats(self, x: Tensor) -> Tensor:
        """(n,)."""
        before = torch.cat([self.begun(len(x))[:, None], self.states(x[:, :-1], self.begun(len(x)))], 1)
        return -cross_entropy(self.head(before).transpose(1, 2), x, reduction="none").sum(1)

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        return {"loss": -self.nats(batch["x"]).mean()}

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        return self.nats(batch["x"])

    def begin(self, n: int, cond: Batch) -> Begun:
        given = cond["prompt"] if "prompt" in cond else torch.full((n, self.length), -1)
        length = (given >= 0).long().cumprod(1).sum(1)
        states = self.states(given.clamp(min=0), self.begun(n))
        states = torch.cat([self.begun(n)[:, None], states], 1)
        state = states[torch.arange(n), length]
        return Begun(self.head(state), {"state": state}, given, length)

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        states = self.states(tokens, cache["state"])
        return self.head(states), {"state": states[:, -1]}


class Pixels(Chain):
    """The same of images with levels, whose tokens stand at places of an order: the last first."""

    places: Tensor

    def __init__(self, config: Options, data: DataSpec) -> None:
        leaf, room = data.leaves["x"], math.prod(data.shape)
        row = Leaf(shape=(room,), classes=leaf.levels)
        super().__init__(config, data.model_copy(update={"leaves": {"x": row}}))
        self.data, self.conditions = data, {}
        self.register_buffer("places", torch.arange(room).flip(0))

    def tokens(self, x: Tensor) -> Tensor:
        """(n, *shape) → (n, L), as the order says."""
        low, high = self.data.leaves["x"].range or (0.0, 1.0)
        steps = (x.flatten(1) - low) / (high - low) * (self.classes - 1)
        return steps.round().long()[:, self.places]

    def nats(self, x: Tensor) -> Tensor:
        return super().nats(self.tokens(x))
