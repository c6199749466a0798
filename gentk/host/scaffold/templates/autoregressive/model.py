"""A recurrent net (Cho et al. 2014) that says which token comes next (Graves 2013)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from gentk.conditions import Text
from gentk.errors import UsageError
from gentk.protocols import Batch, Begun, DataSpec, Noise, Phase
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .config import TemplateConfig


class Template(nn.Module):
    """p(x) = ∏ p(token | tokens before), so that log p(x) is exact. A token of its own, the beginning, stands before the first one."""

    Config = TemplateConfig
    likelihood: Literal["exact"] = "exact"

    def __init__(self, config: TemplateConfig, data: DataSpec) -> None:
        super().__init__()
        x = data.leaves["x"]
        if len(x.shape) != 1 or not x.classes or "length" not in data.leaves:
            raise UsageError(f"this model wants rows of tokens and their length; these examples are {data.modality} {x.shape}")
        self.config, self.data = config, data
        self.room, self.tokens = x.shape[0], x.classes
        self.stop = x.names.index("\n") if "\n" in x.names else None  # the token that ends a text
        self.conditions = {"prompt": Text(length=self.room, names=x.names, help="How the text begins.")}
        self.embedding = nn.Embedding(self.tokens + 1, config.width)
        self.cell = nn.GRU(config.width, config.width, batch_first=True)
        self.head = nn.Linear(config.width, self.tokens)

    def states(self, tokens: Tensor, before: Tensor | None = None) -> Tensor:
        """The state after each token: tokens (n, k), the state before them (n, width) or none → (n, k, width)."""
        after: Tensor = self.cell(self.embedding(tokens), None if before is None else before[None].contiguous())[0]
        return after

    def begun(self, tokens: Tensor) -> Tensor:
        """Tokens (n, k) behind the beginning, (n, k + 1)."""
        return torch.cat([torch.full_like(tokens[:, :1], self.tokens), tokens], 1)

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def surprise(self, batch: Batch) -> Tensor:
        """−log p of each token given those before it (n, room), 0 behind a text's end."""
        x = batch["x"]
        logits = self.head(self.states(self.begun(x)[:, :-1]))
        each = cross_entropy(logits.transpose(1, 2).float(), x, reduction="none")
        return each * (torch.arange(self.room, device=x.device) < batch["length"][:, None])

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        """The mean over tokens; `weight` says over how many, so that parts of a batch add up."""
        tokens = batch["length"].sum()
        return {"loss": self.surprise(batch).sum() / tokens, "weight": tokens}

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        return -self.surprise(batch).sum(1)

    def begin(self, n: int, cond: Batch) -> Begun:
        """The cache holds each row's state after 0, 1 … tokens. What is given of a prompt before its first hole is read at once."""
        device = self.head.weight.device
        given = cond["prompt"].cpu() if "prompt" in cond else torch.full((n, self.room), -1)
        length = (given >= 0).long().cumprod(1).sum(1)
        read = self.begun(given.clamp(min=0))[:, : int(length.max()) + 1].to(device)
        cache = self.head.weight.new_zeros(n, self.room + 1, self.config.width)
        cache[:, : read.shape[1]] = self.states(read)
        last = cache[torch.arange(n, device=device), length.to(device)]
        return Begun(self.head(last), {"states": cache}, given, length)

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Written in place: whoever goes back to fewer tokens finds their states as they were."""
        states, place = cache["states"], length.to(tokens.device)
        row = torch.arange(len(tokens), device=tokens.device)
        after = self.states(tokens, states[row, place])
        states[row[:, None], place[:, None] + 1 + torch.arange(tokens.shape[1], device=tokens.device)] = after.to(states)
        return self.head(after), cache
