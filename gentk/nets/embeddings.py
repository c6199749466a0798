"""Numbers and times as vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoidal(t: Tensor, width: int, *, period: float = 10_000.0, endpoint: bool = True, cosine_first: bool = False) -> Tensor:
    """Times (n,) → (n, width): sines, then cosines, of t at frequencies from 1 down to 1/`period` (Vaswani et al. 2017, §3.5).

    `endpoint`: the lowest frequency is exactly 1/`period` (DDPM's code), else one step above it (the paper's). `cosine_first`: the
    halves swapped.
    Angles are taken in float32 at least: t up to 1000 has no digits to spare in half precision.
    """
    half = width // 2
    exponent = torch.arange(half, device=t.device, dtype=torch.float32) / max(half - endpoint, 1)
    wide = torch.promote_types(t.dtype, torch.float32)
    angles = t.to(wide)[:, None] * torch.exp(-math.log(period) * exponent).to(wide)
    halves = [angles.cos(), angles.sin()] if cosine_first else [angles.sin(), angles.cos()]
    out = torch.cat(halves, dim=-1)
    return nn.functional.pad(out, (0, width - 2 * half)).to(t.dtype)


class TimeEmbedding(nn.Module):
    """A sinusoidal embedding of `width` through two layers to `out`: (n,) → (n, out)."""

    def __init__(self, width: int, out: int, *, endpoint: bool = True, cosine_first: bool = False) -> None:
        super().__init__()
        self.width, self.endpoint, self.cosine_first = width, endpoint, cosine_first
        self.linear_1 = nn.Linear(width, out)
        self.linear_2 = nn.Linear(out, out)

    def forward(self, t: Tensor) -> Tensor:
        sines = sinusoidal(t, self.width, endpoint=self.endpoint, cosine_first=self.cosine_first)
        hidden = nn.functional.silu(self.linear_1(sines))
        return self.linear_2(hidden)  # type: ignore[no-any-return]
