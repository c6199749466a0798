"""`gpt`: a transformer that predicts each token from those before it (Radford et al. 2018)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.conditions import Label, Text, drop
from gentk.errors import UsageError, did_you_mean
from gentk.padding import counted
from gentk.protocols import Batch, Begun, Condition, DataSpec, Noise, Phase
from gentk.vocabulary import loaded

from .config import GPTConfig
from .net import Transformer


class GPT(nn.Module):
    """p(x) = ∏_t p(x_t | x_0 … x_{t−1}), the numbers of the leaf x in row-major order, after a start token that is never drawn.

    x holds classes, or numbers on `levels`, which are then the tokens. Of texts, the leaf `length` says how many tokens count. With a
    condition `label`, an embedding of the class is added at every place (class-conditional; dropout: Ho & Salimans 2022).
    """

    Config = GPTConfig
    config: GPTConfig
    likelihood: Literal["exact"] = "exact"
    autocast = ("net",)
    outer = ("net.head",)

    def __init__(self, config: GPTConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        leaf = data.leaves["x"]
        self.vocabulary, self.length = leaf.classes or leaf.levels, math.prod(leaf.shape)
        if not self.vocabulary or not leaf.shape:
            raise UsageError("gpt wants tokens: a leaf x with classes, or numbers with levels, and at least one dimension")
        if config.start is not None and config.start >= self.vocabulary:
            raise UsageError(f"model.config.start = {config.start}: these data have {self.vocabulary} tokens, 0 to {self.vocabulary - 1}")
        self.stop = stop_token(config.stop, data)
        conditions: dict[str, Condition] = {}
        if len(leaf.shape) == 1 and leaf.classes:
            conditions["prompt"] = Text.of(data, "What every sample begins with.")
        self.label = Label.of(data, dropout=config.label_dropout > 0) if "label" in data.conditions else None
        if self.label:
            conditions["label"] = self.label
        self.conditions: Mapping[str, Condition] = conditions
        self.net = Transformer(config, self.vocabulary, self.length, self.label.classes if self.label else 0)

    # ---- tokens and numbers
    def tokens(self, x: Tensor) -> Tensor:
        """x (n, *shape) → (n, L) int64."""
        leaf = self.data.leaves["x"]
        if leaf.classes:
            return x.flatten(1)
        low, high = leaf.range or (-1.0, 1.0)
        return ((x.flatten(1) - low) * ((leaf.levels - 1) / (high - low))).round().long().clamp(0, leaf.levels - 1)

    def classes_of(self, batch: Batch, n: int, device: torch.device) -> Tensor | None:
        """The label of each row, (n,); where none is given, the class that means none."""
        if self.label is None:
            return None
        if "label" in batch:
            return batch["label"].to(device)
        return torch.full((n,), self.label.classes, device=device)

    def logits(self, batch: Batch, label: Tensor | None = None) -> Tensor:
        """Of each token of the batch given those before it, (n, L, V)."""
        tokens = self.tokens(batch["x"])
        start = tokens.new_full((len(tokens), 1), self.net.start)
        out: Tensor = self.net(torch.cat([start, tokens[:, :-1]], 1), label)
        return out

    # ---- training
    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        """Nats per token, the mean of all that count; `weight` says how many these are."""
        x = batch["x"]
        label = self.classes_of(batch, len(x), x.device)
        if label is not None and self.label is not None and self.training:
            label = drop(self.label, label, self.config.label_dropout)
        logits = self.logits(batch, label)
        if "length" not in batch and "mask" not in batch:
            return {"loss": F.cross_entropy(logits.flatten(0, 1), self.tokens(x).flatten()), "weight": x.numel()}
        inside = counted(batch).flatten(1)
        target = torch.where(inside, self.tokens(x), -100)
        weight = inside.sum()
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="sum") / weight.clamp(min=1)
        return {"loss": loss, "weight": weight}

    # ---- what it says, and goes on with
    def log_prob(self, batch: Batch, noise: Noise | None = None) -> Tensor:
        """log p(x), (n,) nats: of the tokens that count."""
        x = batch["x"]
        logits = self.logits(batch, self.classes_of(batch, len(x), x.device))
        each = -F.cross_entropy(logits.transpose(1, 2), self.tokens(x), reduction="none")
        return torch.where(counted(batch).flatten(1), each, 0.0).double().sum(1)

    def begin(self, n: int, cond: Batch) -> Begun:
        """The start token and the prompt's tokens, as far as they reach without a gap, at once."""
        weight = self.net.token.weight
        given = cond["prompt"].cpu() if "prompt" in cond else torch.full((n, self.length), -1)
        length = (given >= 0).long().cumprod(1).sum(1)
        longest = min(int(length.max()) if n else 0, self.length - 1)
        start = torch.full((n, 1), self.net.start)
        tokens = torch.cat([start, given[:, :longest].clamp(min=0)], 1).to(weight.device)
        cache = dict(self.net.grown(self.net.empty(n, longest + 1, weight.device, weight.dtype), longest + 2))
        label = self.classes_of(cond, n, weight.device)
        if label is not None:
            cache["label"] = label
        logits = self.net(tokens, label, cache, 0)
        rows = torch.arange(n, device=weight.device)
        return Begun(logits[rows, length.clamp(max=longest).to(weight.device)], cache, given, length)

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The cache is written at places from `length` on, and copied only where it has to grow; the start stands at place 0 of it."""
        if not len(tokens):
            return tokens.new_zeros(0, tokens.shape[1], self.vocabulary, dtype=torch.float32), cache
        low, high = int(length.min()), int(length.max())
        cache = self.net.grown(cache, high + 1 + tokens.shape[1])
        at = low + 1 if low == high else (length + 1).to(tokens.device)
        return self.net(tokens, cache.get("label"), cache, at), cache

    def facts(self) -> dict[str, Any]:
        """Size, and what a token's place and vocabulary are."""
        return {
            "parameters": sum(p.numel() for p in self.parameters()),
            "layers": self.config.layers,
            "width": self.config.width,
            "heads": self.config.heads,
            "tokens": self.length,
            "vocabulary": self.vocabulary,
        }


def stop_token(name: str | None, data: DataSpec) -> int | None:
    """The token called `name`, with which a text ends. Raises UsageError where the data have none, or no lengths."""
    if name is None:
        return None
    x = data.leaves["x"]
    if x.tokenizer:
        names = tuple(loaded(x.tokenizer).get_vocab())
    else:
        names = x.names or tuple(map(str, range(x.classes)))
    if name not in names:
        raise UsageError(f"model.config.stop = {name!r} is no token of these data{did_you_mean(name, names)}")
    if "length" not in data.leaves:
        raise UsageError(f"model.config.stop = {name!r} would end examples early, and these data have no lengths: leave stop out")
    return int(loaded(x.tokenizer).token_to_id(name)) if x.tokenizer else names.index(name)
