"""What the pixel models share: tokens of an image, an optional class, and log p(x) as a sum over its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.conditions import Label, drop
from gentk.errors import UsageError
from gentk.protocols import Batch, Begun, Condition, DataSpec, Noise, Phase

from .laws import Tokens
from .pixel_config import PixelConfig


class Pixels(nn.Module):
    """Base of the pixel models: log p(x) = Σ_k log p(x_k | x_1 … x_{k-1}, label).

    A subclass gives `nats(tokens, label)`, tokens (n, *shape) → (n,) log p(x), and the same numbers one by one for samplers: `opened` and
    `predicted`. A data set with labels makes the model conditional. With
    `label_dropout` it also knows p(x) without a label.
    """

    Config: type[PixelConfig] = PixelConfig
    config: PixelConfig
    likelihood: Literal["exact"] = "exact"
    ema: tuple[str, ...] = ("net",)
    autocast: tuple[str, ...] = ("net",)
    stop: int | None = None

    def __init__(self, config: PixelConfig, data: DataSpec) -> None:
        super().__init__()
        leaf = data.leaves.get("x")
        if leaf is None:
            raise UsageError(f"{type(self).__name__} wants a leaf x of numbers, and these examples have none: {', '.join(data.leaves)}")
        self.config, self.data = config, data
        self.tokens = Tokens(leaf, type(self).__name__)
        self.label = Label.of(data, dropout=config.label_dropout > 0) if "label" in data.conditions else None
        self.conditions: Mapping[str, Condition] = {"label": self.label} if self.label else {}
        self.blends = ("label",) if self.label else ()

    @property
    def classes(self) -> int:
        """Rows of a class embedding, "none" included; 0 without labels."""
        return self.label.classes + self.label.dropout if self.label else 0

    def nats(self, tokens: Tensor, label: Tensor | None) -> Tensor:
        """log p(x | label), (n,)."""
        raise NotImplementedError

    def given(self, cond: Batch, n: int) -> Tensor | None:
        """The label of each row, or shares of the classes (n, K); "none" where the model knows it and nothing is said."""
        if self.label is None:
            return None
        if "label" in cond:
            return cond["label"]
        return self.label.null(n)

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        """−log p(x), nats per example."""
        label = batch.get("label")
        if self.label is not None and label is not None and self.training:
            label = drop(self.label, label, self.config.label_dropout)
        return {"loss": -self.nats(self.tokens.of(batch["x"]), label).mean()}

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        """log p(x | label), (n,) nats: exact."""
        tokens = self.tokens.of(batch["x"])
        return self.nats(tokens, self.given(batch, len(tokens)))

    def opened(self, n: int, label: Tensor | None) -> dict[str, Tensor]:
        """The cache of n images of which nothing is known, beside their tokens."""
        raise NotImplementedError

    def predicted(self, cache: Mapping[str, Tensor], place: Tensor) -> Tensor:
        """log p(token number `place` | those before it), (n, V). `place` (n,) on the cache's device; cache["x"] (n, L) holds the tokens."""
        raise NotImplementedError

    def begin(self, n: int, cond: Batch) -> Begun:
        device, size = next(self.parameters()).device, math.prod(self.data.shape)
        cache = {"x": torch.zeros(n, size, dtype=torch.int64, device=device), **self.opened(n, self.given(cond, n))}
        length = torch.zeros(n, dtype=torch.int64)
        return Begun(self.predicted(cache, length.to(device)), cache, torch.full((n, size), -1), length)

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Written in place, at places from `length` on. Behind the last number there is nothing to predict: its own logits again."""
        row, first = torch.arange(len(tokens), device=tokens.device), length.to(tokens.device)
        found = []
        for i, new in enumerate(tokens.unbind(1)):
            cache["x"][row, first + i] = new
            found.append(self.predicted(cache, (first + i + 1).clamp(max=cache["x"].shape[1] - 1)))
        return torch.stack(found, 1), cache


def embedded(embedding: nn.Embedding, label: Tensor) -> Tensor:
    """Classes (n,), or shares of the first K classes (n, K) → (n, width)."""
    if label.is_floating_point():
        return label.to(embedding.weight) @ embedding.weight[: label.shape[1]]
    out: Tensor = embedding(label)
    return out


def rms(x: Tensor) -> Tensor:
    """x / √(mean x²) over the last dimension (Zhang & Sennrich 2019, without gains), computed in float32."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6)).to(x.dtype)
