"""A GPT over a language that counts: a cache with places for every token, and rows of different length side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from gentk.conditions import Text
from gentk.protocols import Batch, Begun, DataSpec, Noise, Phase

from .config import CounterConfig


class Block(nn.Module):
    """Attention and a hidden layer, both residual (pre-norm)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, cache: tuple[Tensor, Tensor] | None, place: Tensor) -> Tensor:
        """x (n, k, width) at places `place` (n, k). `cache`: keys and values (n, places, heads, d), written in place."""
        n, k, _ = x.shape
        query, key, value = self.mix(self.before(x)).view(n, k, 3, self.heads, -1).unbind(2)
        seen = None
        if cache is not None:
            row = torch.arange(n, device=x.device)[:, None]
            keys, values = cache
            keys[row, place], values[row, place] = key, value
            key, value = keys, values
            seen = (torch.arange(keys.shape[1], device=x.device) <= place[..., None])[:, None]  # (n, 1, k, places)
        heads_first = (query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
        attended = scaled_dot_product_attention(*heads_first, attn_mask=seen, is_causal=cache is None)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        hidden: Tensor = self.hidden(self.between(x))
        return x + hidden


class Counter(nn.Module):
    """p(x) = ∏ p(token | tokens before). Place 0 holds a token of its own, the beginning; token i stands at place i + 1."""

    Config = CounterConfig
    likelihood: Literal["exact"] = "exact"

    def __init__(self, config: CounterConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data, self.stop = config, data, config.stop
        leaf = data.leaves["x"]
        self.length, self.tokens = leaf.shape[0], leaf.classes
        self.conditions = {"prompt": Text(length=self.length)}
        self.token = nn.Embedding(self.tokens + 1, config.width)  # the last one is the beginning
        self.place = nn.Embedding(self.length + 1, config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.layers))
        self.head = nn.Linear(config.width, self.tokens)

    def run(self, tokens: Tensor, cache: Mapping[str, Tensor] | None, first: Tensor) -> Tensor:
        """Logits (n, k, V) after tokens (n, k) that stand at places first[i] … first[i] + k − 1."""
        place = first[:, None].to(tokens.device) + torch.arange(tokens.shape[1], device=tokens.device)
        x = self.token(tokens) + self.place(place)
        for i, block in enumerate(self.blocks):
            x = block(x, None if cache is None else (cache["keys"][:, i], cache["values"][:, i]), place)
        out: Tensor = self.head(x)
        return out

    def with_beginning(self, tokens: Tensor) -> Tensor:
        return torch.cat([torch.full_like(tokens[:, :1], self.tokens), tokens], 1)

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def surprise(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Nats of each example (n,), and how many tokens count in all."""
        x = batch["x"]
        logits = self.run(self.with_beginning(x[:, :-1]), None, torch.zeros(len(x), dtype=torch.int64))
        each = cross_entropy(logits.transpose(1, 2), x, reduction="none")
        counts = torch.arange(self.length, device=x.device) < batch["length"][:, None]
        return (each * counts).sum(1), batch["length"].sum()

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        nats, tokens = self.surprise(batch)
        return {"loss": nats.sum() / tokens, "weight": tokens}

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        return -self.surprise(batch)[0]

    def begin(self, n: int, cond: Batch) -> Begun:
        """The given tokens before the first hole go through the net at once; what is given after it waits."""
        device, heads = self.head.weight.device, self.config.heads
        given = cond["prompt"].cpu() if "prompt" in cond else torch.full((n, self.length), -1)
        length = (given >= 0).long().cumprod(1).sum(1)
        room = (n, len(self.blocks), self.length + 1, heads, self.config.width // heads)
        cache = {name: torch.zeros(room, device=device, dtype=self.head.weight.dtype) for name in ("keys", "values")}
        prompt = self.with_beginning(given.clamp(min=0))[:, : int(length.max()) + 1].to(device)
        logits = self.run(prompt, cache, torch.zeros(n, dtype=torch.int64))
        return Begun(logits[torch.arange(n), length.to(device)], cache, given, length)

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        return self.run(tokens, cache, length + 1), cache
