"""Encoders and decoders: x to features, features to the parameters of p(x | z). Convolutional for images, dense for anything."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.errors import UsageError
from gentk.protocols import Leaf

from .config import AEConfig


class Residual(nn.Module):
    """x + conv(norm-SiLU-conv-norm-SiLU x), the last convolution zero at first."""

    def __init__(self, width: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, width), nn.GroupNorm(groups, width)
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        out: Tensor = x + self.conv2(self.dropout(F.silu(self.norm2(h))))
        return out


class Down(nn.Module):
    """Images (n, C, H, W) → a map (n, widths[-1], h, w): pixel squares, then levels of residual blocks with strides between."""

    def __init__(self, channels: int, config: AEConfig) -> None:
        super().__init__()
        widths = config.widths
        self.patch = config.patch
        self.first = nn.Conv2d(channels * config.patch**2, widths[0], 3, padding=1)
        layers: list[nn.Module] = []
        for i, width in enumerate(widths):
            layers += [Residual(width, config.groups, config.dropout) for _ in range(config.blocks)]
            if i + 1 < len(widths):
                layers.append(nn.Conv2d(width, widths[i + 1], 3, stride=2, padding=1))
        self.body = nn.Sequential(*layers)
        self.norm = nn.GroupNorm(config.groups, widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.norm(self.body(self.first(F.pixel_unshuffle(x, self.patch)))))


class Up(nn.Module):
    """A map (n, widths[-1], h, w) → (n, each, C, H, W), the way back."""

    def __init__(self, channels: int, each: int, config: AEConfig) -> None:
        super().__init__()
        widths = config.widths[::-1]
        self.patch, self.each = config.patch, each
        layers: list[nn.Module] = []
        for i, width in enumerate(widths):
            layers += [Residual(width, config.groups, config.dropout) for _ in range(config.blocks)]
            if i + 1 < len(widths):
                layers += [nn.Conv2d(width, 4 * widths[i + 1], 1), nn.PixelShuffle(2)]
        self.body = nn.Sequential(*layers)
        self.norm = nn.GroupNorm(config.groups, widths[-1])
        self.last = nn.Conv2d(widths[-1], each * channels * config.patch**2, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        h = F.pixel_shuffle(self.last(F.silu(self.norm(self.body(h)))), self.patch)
        return h.reshape(len(h), self.each, -1, *h.shape[2:])


def map_size(leaf: Leaf, config: AEConfig) -> tuple[int, int]:
    """(h, w) of the coarsest level. Raises UsageError for what is no image, or one whose sides do not divide."""
    if len(leaf.shape) != 3:
        raise UsageError(f"a convolutional net wants images (C, H, W), and x is {leaf.shape}: set model.config.net=dense")
    fold = config.patch * 2 ** (len(config.widths) - 1)
    if leaf.shape[1] % fold or leaf.shape[2] % fold:
        sides = f"{leaf.shape[1]}×{leaf.shape[2]}"
        raise UsageError(f"images of {sides} do not divide by patch · 2^(levels − 1) = {fold}: change patch or widths")
    return leaf.shape[1] // fold, leaf.shape[2] // fold


class Encoder(nn.Module):
    """x (n, *shape), and beside it `extra` (n, given) → (n, outputs)."""

    def __init__(self, leaf: Leaf, outputs: int, config: AEConfig, given: int = 0) -> None:
        super().__init__()
        if config.net == "conv":
            h, w = map_size(leaf, config)
            self.body: nn.Module = nn.Sequential(Down(leaf.shape[0], config), nn.Flatten())
            width = config.widths[-1] * h * w
        else:
            sizes = (math.prod(leaf.shape), *config.widths)
            self.body, width = nn.Sequential(nn.Flatten(), *dense(sizes, config.dropout)), sizes[-1]
        self.last = nn.Linear(width + given, outputs)

    def forward(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        h = self.body(x)
        out: Tensor = self.last(h if extra is None else torch.cat([h, extra], 1))
        return out


class Decoder(nn.Module):
    """z (n, inputs) → (n, each, *shape), `each` parameters for every number."""

    def __init__(self, leaf: Leaf, inputs: int, each: int, config: AEConfig) -> None:
        super().__init__()
        self.shape, self.each = leaf.shape, each
        if config.net == "conv":
            h, w = map_size(leaf, config)
            self.first = nn.Linear(inputs, config.widths[-1] * h * w)
            self.body: nn.Module = nn.Sequential(nn.Unflatten(1, (config.widths[-1], h, w)), Up(leaf.shape[0], each, config))
        else:
            sizes = (inputs, *config.widths[::-1])
            self.first = nn.Linear(inputs, sizes[1])
            last = nn.Linear(sizes[-1], each * math.prod(leaf.shape))
            self.body = nn.Sequential(nn.SiLU(), *dense(sizes[1:], config.dropout), last)

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.body(self.first(z))
        return out.reshape(len(z), self.each, *self.shape)


def dense(sizes: tuple[int, ...], dropout: float = 0.0) -> list[nn.Module]:
    """Linear, SiLU for each pair of sizes."""
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.SiLU(), *([nn.Dropout(dropout)] if dropout else [])]
    return layers


def ends(net: nn.Module, name: str) -> tuple[str, str]:
    """The paths of the first and the last layer of the net called `name`."""
    layers = [path for path, part in net.named_modules() if isinstance(part, (nn.Linear, nn.Conv2d))]
    return f"{name}.{layers[0]}", f"{name}.{layers[-1]}"
