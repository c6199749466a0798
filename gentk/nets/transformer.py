"""Decoder blocks of transformers (Vaswani et al. 2017), as GPT-2, the Llama family and small character models have them.

Keys, values and shifted inputs of earlier tokens lie in buffers whose dimension 1 is the place in the sequence, so one cache serves a
prefill, single tokens, and rows that stand at different places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["gelu", "gelu_tanh", "silu", "relu2", "swiglu", "geglu"]
GATED = ("swiglu", "geglu")


@dataclass(frozen=True)
class BlockShape:
    """What a block is made of. Zeros: kv_heads as heads, head_dim width / heads, hidden 4 · width, scale 1/√head_dim.

    gain: norms have learned scales. biases: of the linear layers and of LayerNorm, "qkv" for the first projection alone (Qwen2).
    qk_norm: RMSNorm of each query and key; "channel" with a gain per channel (Qwen3), "head" with one learned scale per head.
    value_residual: values are a learned mixture with those of the first block (Zhou et al. 2024). input_residual: so is the stream, with
    the embeddings. shift: each channel sees, beside its token, the `shift` ones before it, and one before it in the feed-forward part
    (after Peng et al. 2023). window: tokens that attention sees, the present one among them; 0: all (Beltagy et al. 2020).
    """

    width: int
    heads: int
    kv_heads: int = 0
    head_dim: int = 0
    hidden: int = 0
    activation: Activation = "gelu"
    norm: Literal["rms", "layer"] = "rms"
    gain: bool = True
    eps: float = 1e-6
    biases: Literal["none", "qkv", "all"] = "none"
    qk_norm: Literal["none", "head", "channel"] = "none"
    scale: float = 0.0
    value_residual: bool = False
    input_residual: bool = False
    shift: int = 0
    window: int = 0

    @property
    def d_head(self) -> int:
        return self.head_dim or self.width // self.heads

    @property
    def kv(self) -> int:
        return self.kv_heads or self.heads

    @property
    def d_hidden(self) -> int:
        return self.hidden or 4 * self.width


class Places(NamedTuple):
    """Where the T tokens of a call stand. at: the place of each row's first one, an int where all agree, else (n,); end: one past the last
    place of any row. cos, sin (1 or n, T, 1, head_dim / 2): of rotary positions. mask (T, end) or (n, 1, T, end), bool: what attention
    sees, None with `causal`: all up to the token itself; None without: all."""

    at: int | Tensor
    end: int
    cos: Tensor | None
    sin: Tensor | None
    mask: Tensor | None
    causal: bool


class Memory(NamedTuple):
    """A block's part of the cache, rows first and places second: keys and values (n, S, kv_heads, head_dim), and the normed inputs of
    both parts (n, S + shift, width) and (n, S + 1, width) where the block shifts tokens."""

    keys: Tensor
    values: Tensor
    before: Tensor | None = None
    between: Tensor | None = None


def rotary(place: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """cos and sin (…, 1, head_dim / 2) of the angles place · theta^(−2i / head_dim), float32; place (…) (Su et al. 2021, eq. 15)."""
    exponent = torch.arange(0, head_dim, 2, dtype=torch.float32, device=place.device) / head_dim
    angle = place.to(torch.float32)[..., None, None] * (1.0 / theta**exponent)
    return angle.cos(), angle.sin()


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x (n, T, heads, head_dim), its two halves turned as the real and imaginary parts of one number each."""
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def put(buffer: Tensor, new: Tensor, at: int | Tensor) -> None:
    """Write new (n, T, …) into buffer (n, S, …) from place `at` on, in place."""
    if isinstance(at, int):
        buffer[:, at : at + new.shape[1]] = new
    else:
        rows = torch.arange(len(new), device=new.device)[:, None]
        buffer[rows, at[:, None] + torch.arange(new.shape[1], device=new.device)] = new.to(buffer.dtype)


def take(buffer: Tensor, at: int | Tensor, count: int) -> Tensor:
    """(n, count, …): what stands in buffer (n, S, …) from place `at` on."""
    if isinstance(at, int):
        return buffer[:, at : at + count]
    rows = torch.arange(len(buffer), device=buffer.device)[:, None]
    return buffer[rows, at[:, None] + torch.arange(count, device=buffer.device)]


def random_bytes(*shape: int, device: torch.device) -> Tensor:
    """Uniform uint8 from torch's generator, eight from each draw of 64 bits: cheap enough for dropout on a CPU."""
    count = torch.Size(shape).numel()
    words = torch.empty(-(-count // 8), dtype=torch.int64, device=device).random_(-(2**63), None)
    return words.view(torch.uint8)[:count].view(shape)


def dropped(x: Tensor, drawn: Tensor | None, share: float) -> Tensor:
    """x with a share of its numbers at 0 and the rest scaled up. `drawn`: uniform bytes, so the share is a multiple of 1/256."""
    least = round(share * 256)
    if drawn is None or not least:
        return x
    return x * ((drawn >= least).to(x.dtype) * (256 / (256 - least)))


class Norm(nn.Module):
    """RMSNorm (Zhang and Sennrich 2019) or LayerNorm of the last dimension; statistics in float32, the result in x's own dtype."""

    def __init__(self, width: int, kind: str, eps: float, *, gain: bool = True, bias: bool = False) -> None:
        super().__init__()
        self.width, self.kind, self.eps = width, kind, eps
        self.weight = nn.Parameter(torch.ones(width)) if gain else None
        self.bias = nn.Parameter(torch.zeros(width)) if gain and bias else None

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        if self.kind == "layer":
            return F.layer_norm(wide, (self.width,), self.weight, self.bias, self.eps).to(x.dtype)
        out = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return (out if self.weight is None else out * self.weight).to(x.dtype)


class Attention(nn.Module):
    """Causal attention with grouped queries (Ainslie et al. 2023), x (n, T, width) → the same."""

    def __init__(self, shape: BlockShape, *, first: bool = False) -> None:
        super().__init__()
        d, self.shape = shape.d_head, shape
        self.qkv = nn.Linear(shape.width, (shape.heads + 2 * shape.kv) * d, bias=shape.biases != "none")
        self.out = nn.Linear(shape.heads * d, shape.width, bias=shape.biases == "all")
        if shape.qk_norm != "none":
            self.q_norm, self.k_norm = (Norm(d, "rms", shape.eps, gain=shape.qk_norm == "channel") for _ in range(2))
        if shape.qk_norm == "head":
            self.sharpness = nn.Parameter(torch.full((shape.heads,), 1.2))
        if shape.value_residual and not first:
            self.mixture = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, x: Tensor, first: Tensor | None, places: Places, memory: Memory | None) -> tuple[Tensor, Tensor]:
        """(attended (n, T, width), values (n, T, kv_heads, head_dim)). `first`: the first block's values."""
        shape, (n, steps, _) = self.shape, x.shape
        parts = self.qkv(x).view(n, steps, shape.heads + 2 * shape.kv, shape.d_head)
        q, k, v = parts.split([shape.heads, shape.kv, shape.kv], 2)
        if shape.qk_norm != "none":
            q, k = self.q_norm(q), self.k_norm(k)
        if shape.qk_norm == "head":
            q = q * self.sharpness.to(q.dtype)[:, None]
        if places.cos is not None and places.sin is not None:
            q, k = rotated(q, places.cos, places.sin), rotated(k, places.cos, places.sin)
        own = v
        if shape.value_residual and first is not None:
            mixture = self.mixture.to(v.dtype)
            v = mixture[0] * v + mixture[1] * first
        if memory is not None:
            put(memory.keys, k, places.at)
            put(memory.values, v, places.at)
            k, v = memory.keys[:, : places.end], memory.values[:, : places.end]
        mixed = attended(q, k, v, places.mask, causal=places.causal, scale=shape.scale or shape.d_head**-0.5)
        return self.out(mixed.reshape(n, steps, -1)), own


def attended(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool, scale: float) -> Tensor:
    """q (n, T, heads, d), k and v (n, S, kv_heads, d) → (n, T, heads, d); query heads share key heads group by group."""
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    if k.shape[1] != q.shape[1]:
        k, v = (part.repeat_interleave(q.shape[1] // k.shape[1], 1) for part in (k, v))
    if q.dtype == torch.bfloat16 and q.device.type == "cpu" and torch.is_grad_enabled():
        return _by_products(q, k, v, mask, causal=causal, scale=scale).transpose(1, 2)
    return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale).transpose(1, 2)


def _by_products(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool, scale: float) -> Tensor:
    """The same by two matrix products: in bfloat16 on a CPU, the fused kernel's backward pass takes several times as long."""
    if causal:
        mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()
    scores = (q * scale) @ k.transpose(-1, -2)
    wide = scores.float()
    if mask is not None:
        wide = wide.masked_fill(~mask, float("-inf"))
    return wide.softmax(-1).to(v.dtype) @ v


class FeedForward(nn.Module):
    """Two layers with an activation between, or with a gate (Shazeer 2020)."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.activation, bias = shape.activation, shape.biases == "all"
        self.up = nn.Linear(shape.width, shape.d_hidden * (2 if shape.activation in GATED else 1), bias=bias)
        self.down = nn.Linear(shape.d_hidden, shape.width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        h, kind = self.up(x), self.activation
        if kind in GATED:
            gate, h = h.chunk(2, -1)
            h = h * (F.silu(gate) if kind == "swiglu" else F.gelu(gate))
        elif kind == "relu2":
            h = F.relu(h).square()
        elif kind == "silu":
            h = F.silu(h)
        else:
            h = F.gelu(h, approximate="tanh" if kind == "gelu_tanh" else "none")
        return self.down(h)  # type: ignore[no-any-return]


class Block(nn.Module):
    """norm, attention, norm, feed-forward, each with a residual: x (n, T, width) → the same, and the values that later blocks may mix in.

    `first`: the first block of a net. source (n, T, width): the embeddings. drawn (2, n, T, width): uniform
    bytes for dropout, or None. A call with `memory` writes into it.
    """

    def __init__(self, shape: BlockShape, dropout: float = 0.0, *, first: bool = False) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        bias = shape.biases == "all"
        self.norm1, self.norm2 = (Norm(shape.width, shape.norm, shape.eps, gain=shape.gain, bias=bias) for _ in range(2))
        self.attention, self.mlp = Attention(shape, first=first), FeedForward(shape)
        if shape.input_residual:
            self.mixture = nn.Parameter(torch.tensor([1.0, 0.0]))
        if shape.shift:
            self.shift1 = nn.Parameter(torch.zeros(shape.shift, shape.width))
            self.shift2 = nn.Parameter(torch.zeros(1, shape.width))

    def forward(
        self, x: Tensor, source: Tensor, first: Tensor | None, places: Places, drawn: Tensor | None = None, memory: Memory | None = None
    ) -> tuple[Tensor, Tensor]:
        if self.shape.input_residual:
            mixture = self.mixture.to(x.dtype)
            x = mixture[0] * x + mixture[1] * source
        y = self.norm1(x)
        if self.shape.shift:
            y = _shifted(y, self.shift1, memory.before if memory else None, places.at)
        y, values = self.attention(y, first, places, memory)
        x = x + dropped(y.to(x.dtype), None if drawn is None else drawn[0], self.dropout)
        y = self.norm2(x)
        if self.shape.shift:
            y = _shifted(y, self.shift2, memory.between if memory else None, places.at)
        return x + dropped(self.mlp(y).to(x.dtype), None if drawn is None else drawn[1], self.dropout), values


def _shifted(y: Tensor, weight: Tensor, memory: Tensor | None, at: int | Tensor) -> Tensor:
    """y (n, T, width) with a learned share of each channel of the tokens before; before the first there are zeros. weight (shift, width).

    memory (n, S + shift, width): place s of the sequence at s + shift."""
    shift, steps = len(weight), y.shape[1]
    if memory is None:
        behind = F.pad(y, (0, 0, shift, 0))
    else:
        put(memory, y, at + shift)
        behind = take(memory, at, steps + shift)
    for i in range(shift):
        y = y + behind[:, shift - 1 - i : shift - 1 - i + steps] * weight[i].to(y.dtype)
    return y
