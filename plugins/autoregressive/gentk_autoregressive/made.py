"""`made`: a dense autoencoder whose masks leave each output only the numbers before its own (Germain et al. 2015)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.protocols import DataSpec

from .laws import single
from .pixel_config import MADEConfig
from .pixels import Pixels, embedded


def degrees(numbers: int, widths: tuple[int, ...], seed: int) -> list[list[int]]:
    """Of every unit of each hidden layer, how many numbers it may see at most: drawn from 1 … numbers - 1, never below the least of the
    layer before (ibid., §3), so that no unit is cut off."""
    generator, least = np.random.Generator(np.random.PCG64(seed)), 1
    found: list[list[int]] = []
    for width in widths:
        found.append(sorted(generator.integers(least, max(numbers, least + 1), width).tolist()))
        least = found[-1][0]
    return found


class Masked(nn.Linear):
    """A linear layer whose weight counts only where `mask` (outputs, inputs) is 1."""

    mask: Tensor

    def __init__(self, sees: list[int], degree: list[int], *, strict: bool) -> None:
        super().__init__(len(degree), len(sees))
        inside, outside = torch.tensor(degree, device="cpu"), torch.tensor(sees, device="cpu")[:, None]  # "meta" compares by the compiler
        self.register_buffer("mask", (inside < outside if strict else inside <= outside).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


class MADENet(nn.Module):
    """Inputs (n, L · inputs) in order → parameters (n, L, each) of each number given those before it."""

    def __init__(self, config: MADEConfig, numbers: int, inputs: int, each: int, classes: int) -> None:
        super().__init__()
        self.numbers, self.dropout = numbers, config.dropout
        given = [k + 1 for k in range(numbers) for _ in range(inputs)]  # number k is there for units that may see k + 1 of them
        wanted = [k + 1 for k in range(numbers) for _ in range(each)]
        hidden = degrees(numbers, config.widths, config.seed)
        self.layers = nn.ModuleList([Masked(after, before, strict=False) for before, after in pairwise([given, *hidden])])
        self.out, self.direct = Masked(wanted, hidden[-1], strict=True), Masked(wanted, given, strict=True)
        for last in (self.out, self.direct):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        if classes:
            self.class_embedding = nn.Embedding(classes, sum(config.widths) + len(wanted))
            nn.init.normal_(self.class_embedding.weight, std=0.02)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        sizes = [layer.out_features for layer in (*self.layers, self.out) if isinstance(layer, Masked)]
        told = None if label is None else torch.split(embedded(self.class_embedding, label), sizes, 1)
        h = x
        for i, layer in enumerate(self.layers):
            h = layer(h) if told is None else layer(h) + told[i]
            h = F.dropout(F.relu(h), self.dropout, self.training)
        out = self.out(h) + self.direct(x)
        given: Tensor = (out if told is None else out + told[-1]).view(len(x), self.numbers, -1)
        return given


class MADE(Pixels):
    """Numbers or codes of any shape."""

    Config = MADEConfig
    config: MADEConfig
    outer = ("net.out", "net.direct")
    places: Tensor

    def __init__(self, config: MADEConfig, data: DataSpec) -> None:
        super().__init__(config, data)
        size = math.prod(data.shape)
        self.law = single(self.tokens.count, 0 if self.tokens.codes else config.mixture)
        order = range(size) if config.order == "raster" else np.random.Generator(np.random.PCG64([config.seed, 1])).permutation(size)
        self.register_buffer("places", torch.tensor([int(k) for k in order]), persistent=False)
        inputs = self.tokens.count if self.tokens.codes else 1
        self.net = MADENet(config, size, inputs, self.law.parameters_each, self.classes)

    def read(self, tokens: Tensor) -> Tensor:
        """Tokens (n, L) → what the net reads, (n, L · inputs)."""
        one = F.one_hot(tokens, self.tokens.count).flatten(1) if self.tokens.codes else self.tokens.values(tokens)
        return one.to(self.net.out.weight)

    def nats(self, tokens: Tensor, label: Tensor | None) -> Tensor:
        own = tokens.flatten(1)[:, self.places]
        given = self.net(self.read(own), label)
        return self.law.log_prob(given, own).flatten(1).sum(1)

    def opened(self, n: int, label: Tensor | None) -> dict[str, Tensor]:
        """Only the label: a forward pass costs little more than one number of it."""
        return {} if label is None else {"label": label}

    def predicted(self, cache: Mapping[str, Tensor], place: Tensor) -> Tensor:
        row = torch.arange(len(place), device=place.device)
        given = self.net(self.read(cache["x"]), cache.get("label"))[row, place]
        return self.law.logits(given, cache["x"][row, place])
