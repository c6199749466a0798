"""A NextToken model whose law is a table: any next token given any tokens before, so that all can be enumerated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentk.protocols import Begun, DataSpec, Leaf


class Tabled(nn.Module):
    """Logits of the next token by the tokens before it. `positional`: the cache holds the tokens, written in place, and `grows` as
    it has to; else it is a state, the number of the prefix. The cache is checked at every call: a wrong row or place is an error."""

    Config: Any = None
    conditions: Mapping[str, Any] = {}

    def __init__(
        self,
        leaf: Leaf,
        *,
        seed: int = 0,
        positional: bool = True,
        grows: bool = False,
        stop: int | None = None,
        order: list[int] | None = None,
        scale: float = 1.5,
        modality: str = "text",
        counted: bool = False,
    ) -> None:
        super().__init__()
        self.room, self.v = math.prod(leaf.shape), leaf.classes or leaf.levels
        leaves = {"x": leaf, "length": Leaf(classes=self.room + 1)} if counted else {"x": leaf}
        self.data, self.stop, self.config = DataSpec(modality=modality, leaves=leaves), stop, None
        self.positional, self.grows = positional, grows
        prefixes = sum(self.v**k for k in range(self.room))
        self.table = nn.Parameter(scale * torch.randn(prefixes, self.v, generator=torch.Generator().manual_seed(seed)))
        if order is not None:
            self.places = torch.tensor(order)
        self.fed: list[int] = []  # how many tokens each call read, over all rows

    def number(self, tokens: Tensor, length: Tensor) -> Tensor:
        """The row of the table for the first `length` of tokens (n, L)."""
        place = torch.arange(tokens.shape[1])
        weight = torch.tensor([self.v**k for k in range(tokens.shape[1])])
        before = torch.tensor([sum(self.v**j for j in range(k)) for k in range(self.room + 1)])
        return before[length] + torch.where(place < length[:, None], tokens * weight, 0).sum(1)

    def logits(self, number: Tensor) -> Tensor:
        return self.table.detach()[number.clamp(max=len(self.table) - 1)]

    def begin(self, n: int, cond: Mapping[str, Tensor]) -> Begun:
        given = cond["prompt"] if "prompt" in cond else torch.full((n, self.room), -1)
        length = (given >= 0).long().cumprod(1).sum(1)
        logits = self.logits(self.number(given.clamp(min=0), length))
        state = {"tokens": torch.where(torch.arange(self.room) < length[:, None], given, -7)}
        if self.grows:
            state["tokens"] = state["tokens"][:, : int(length.max()) if n else 0]
        return Begun(logits, state if self.positional else {"state": given.clamp(min=0), "at": length.clone()}, given, length)

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        n, k = tokens.shape
        rows = torch.arange(n)
        self.fed.append(n * k)
        assert bool((length + k <= self.room).all()), "a token was read behind the end"
        if self.positional:
            held = cache["tokens"]
            if (missing := int((length + k).max()) - held.shape[1]) > 0 and n:
                assert self.grows, "a token was read behind the end"
                held = torch.cat([held, torch.full((n, missing), -7)], 1)
        else:
            assert torch.equal(cache["at"], length), "a state was used at another length"
            held = cache["state"].clone()
        found = []
        for j in range(k):
            held[rows, length + j] = tokens[:, j]
            assert bool((held[torch.arange(held.shape[1]) < (length + j + 1)[:, None]] >= 0).all()), "a place was left out"
            found.append(self.logits(self.number(held, length + j + 1)))
        return torch.stack(found, 1), {"tokens": held} if self.positional else {"state": held, "at": length + k}

    # ------------------------------------------------------------ by enumeration
    def log_chance(self, row: tuple[int, ...], *, temperature: float = 1.0) -> float:
        """log p of these tokens, at the beginning of a text."""
        tokens, total = torch.tensor([[*row, *[0] * (self.room - len(row))]]), 0.0
        for k, token in enumerate(row):
            logits = self.logits(self.number(tokens, torch.tensor([k])))[0].double() / temperature
            total += float(logits.log_softmax(0)[token])
        return total

    def texts(self) -> list[tuple[int, ...]]:
        """All sequences: those that end in the stop token and have none before, and those that fill the room."""
        rows: list[tuple[int, ...]] = []
        for k in range(1, self.room + 1):
            for row in itertools.product(range(self.v), repeat=k):
                if self.stop not in row[:-1] and (k == self.room or row[-1] == self.stop):
                    rows.append(row)
        return rows
