"""The network of `gpt`: embeddings, blocks, a last layer, and a cache of what earlier tokens gave."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.nets.transformer import Block, BlockShape, Memory, Norm, Places, dropped, put, random_bytes, rotary, take

from .config import GPTConfig

ROOM = 64  # places that a cache grows by at least
PAIRS = 65_521  # rows of the embedding of pairs at most, a prime: of a larger vocabulary, pairs share rows


def block_shape(config: GPTConfig) -> BlockShape:
    """The part of a configuration that a block is made from."""
    names = ("width", "heads", "kv_heads", "head_dim", "hidden", "activation", "norm", "gain", "eps", "biases", "qk_norm")
    more = ("value_residual", "input_residual", "shift", "window")
    d = config.head_dim or config.width // config.heads
    scale = 8 / d if config.init == "mup" else 0.0  # Yang et al. 2022: 1/d, here equal to 1/√d at d = 64
    return BlockShape(**{name: getattr(config, name) for name in (*names, *more)}, scale=scale)


class Transformer(nn.Module):
    """Tokens (n, T) int64 → logits (n, T, V) float32 of the token after each.

    vocabulary: V; row V of the embedding is the learned start token where config.start is None. places: tokens of a sequence at most,
    the start among them. classes: of the label; class number `classes` is none.
    """

    def __init__(self, config: GPTConfig, vocabulary: int, places: int, classes: int = 0) -> None:
        super().__init__()
        self.config, self.vocabulary, self.places, self.classes = config, vocabulary, places, classes
        self.start = vocabulary if config.start is None else config.start
        self.inputs = vocabulary + (config.start is None)
        width = config.width
        self.token = nn.Embedding(self.inputs, width)
        if config.positions == "learned":
            self.position = nn.Embedding(places, width)
        if classes:
            self.label = nn.Embedding(classes + 1, width)
        if config.bigram:
            self.pair = nn.Embedding(min(self.inputs**2, PAIRS), config.bigram)
            self.pair_up = nn.Linear(config.bigram, width, bias=False)
        if config.embedding_norm:
            self.first_norm = Norm(width, config.norm, config.eps, gain=config.gain, bias=config.biases == "all")
        shape = self.shape = block_shape(config)
        self.blocks = nn.ModuleList(Block(shape, config.dropout, first=i == 0) for i in range(config.layers))
        self.norm = Norm(width, config.norm, config.eps, gain=config.gain, bias=config.biases == "all")
        if not config.tie:
            self.head = nn.Linear(width, vocabulary, bias=False)
        self.initialise()

    def forward(
        self, tokens: Tensor, label: Tensor | None = None, cache: Mapping[str, Tensor] | None = None, at: int | Tensor = 0
    ) -> Tensor:
        """`at`: the place of the first token, an int or one of each row (n,). A call with `cache` reads and writes it."""
        steps = tokens.shape[1]
        here = self._places(steps, at, tokens.device)
        x = self._embedded(tokens, label, cache, at)
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        drawn = self._drawn(x)
        x = dropped(x, None if drawn is None else drawn[0], self.config.dropout)
        source, first = x, None
        for i, block in enumerate(self.blocks):
            bytes_ = None if drawn is None else drawn[1 + 2 * i : 3 + 2 * i]
            x, values = block(x, source, first, here, bytes_, None if cache is None else memory_of(cache, i))
            first = values if first is None else first
        return self.logits(self.norm(x))

    def logits(self, x: Tensor) -> Tensor:
        """The last layer: (n, T, width) → (n, T, V)."""
        config = self.config
        out: Tensor = (F.linear(x, self.token.weight[: self.vocabulary]) if config.tie else self.head(x)).float()
        if config.init == "mup":
            out = out * (config.base_width / config.width)
        if config.softcap:
            out = config.softcap * torch.tanh(out / config.softcap)
        return out

    def _embedded(self, tokens: Tensor, label: Tensor | None, cache: Mapping[str, Tensor] | None, at: int | Tensor) -> Tensor:
        config, steps = self.config, tokens.shape[1]
        x: Tensor = self.token(tokens)
        if config.positions == "learned":
            place = torch.arange(steps, device=tokens.device) + (at if isinstance(at, int) else at[:, None])
            x = x + self.position(place.clamp(max=self.places - 1))
        if label is not None:
            x = x + self.label(label)[:, None]
        if config.bigram:
            if cache is None:
                before = F.pad(tokens, (1, 0), value=self.start)[:, :-1]
            else:
                put(cache["tokens"], tokens, at + 1)
                before = take(cache["tokens"], at, steps)
            x = x + self.pair_up(self.pair((before * self.inputs + tokens) % self.pair.num_embeddings))
        if config.embedding_norm:
            x = self.first_norm(x)
        return x

    def _places(self, steps: int, at: int | Tensor, device: torch.device) -> Places:
        config, window = self.config, self.config.window
        whole = isinstance(at, int)
        end = (at if isinstance(at, int) else int(at.max())) + steps
        query = torch.arange(steps, device=device) + (at if isinstance(at, int) else at[:, None])
        cos = sin = mask = None
        if config.positions == "rotary":
            cos, sin = rotary(query if not whole else query[None], self.shape.d_head, config.theta)
        bounded = bool(window) and window < end
        causal = whole and not bounded and end == steps
        if not causal and not (whole and steps == 1 and not bounded):
            key = torch.arange(end, device=device)
            mask = key <= query[..., None]
            if window:
                mask &= key > query[..., None] - window
            mask = mask if whole else mask[:, None]
        return Places(at, end, cos, sin, mask, causal)

    def _drawn(self, x: Tensor) -> Tensor | None:
        """Bytes for dropout: of the embeddings, and of both branches of each block."""
        if not (self.training and self.config.dropout):
            return None
        return random_bytes(1 + 2 * self.config.layers, *x.shape, device=x.device)

    # ---- the cache
    def empty(self, n: int, places: int, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
        """A cache with room for `places` tokens."""
        shape, cache = self.shape, {}
        if self.config.bigram:
            cache["tokens"] = torch.full((n, places + 1), self.start, dtype=torch.int64, device=device)
        for i in range(self.config.layers):
            for name in ("keys", "values"):
                cache[f"{i}.{name}"] = torch.zeros(n, places, shape.kv, shape.d_head, dtype=dtype, device=device)
            if shape.shift:
                cache[f"{i}.before"] = torch.zeros(n, places + shape.shift, shape.width, dtype=dtype, device=device)
                cache[f"{i}.between"] = torch.zeros(n, places + 1, shape.width, dtype=dtype, device=device)
        return cache

    def grown(self, cache: Mapping[str, Tensor], wanted: int) -> Mapping[str, Tensor]:
        """The same cache where it has room for `wanted` tokens, else a copy with twice the room, so that growing costs little in all."""
        room = cache["0.keys"].shape[1]
        if wanted <= room:
            return cache
        more = max(2 * room, wanted, ROOM) - room
        more = max(min(more, self.places + 1 - room), wanted - room)
        return {name: F.pad(value, (*(0, 0) * (value.ndim - 2), 0, more)) if name != "label" else value for name, value in cache.items()}

    # ---- the first weights
    @torch.no_grad()
    def initialise(self) -> None:
        """As config.init says. zero: matrices by their inputs, the last of each branch zero (so that a block begins as the identity).
        gpt2: N(0, .02²), and N(0, .02² / 2 layers) for the last of each branch (Radford et al. 2019, §2.3). mup: matrices N(0, 1 / inputs),
        embeddings N(0, 1), the last layer zero (Yang et al. 2022, table 8)."""
        config = self.config
        style, width = config.init, config.width
        embedding = {"zero": 0.02 if config.tie else 0.5, "gpt2": 0.02, "mup": 1.0}[style]
        inner = {"zero": 0.6, "gpt2": 0.02 * width**0.5, "mup": 1.0}[style]
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding):
                std = {"position": 0.5 * embedding, "label": 0.0, "pair": 0.1 if style == "zero" else embedding}.get(name, embedding)
                nn.init.normal_(module.weight, std=std)
            elif isinstance(module, nn.Linear):
                std = 0.02 if style == "gpt2" else inner * module.in_features**-0.5
                if name.endswith((".out", ".down")):
                    std = {"zero": 0.0, "gpt2": 0.02 * (2 * config.layers) ** -0.5, "mup": std}[style]
                elif name == "head":
                    std = 0.0 if style == "mup" else 0.02
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def memory_of(cache: Mapping[str, Tensor], i: int) -> Memory:
    """Block i's part of the cache."""
    return Memory(cache[f"{i}.keys"], cache[f"{i}.values"], cache.get(f"{i}.before"), cache.get(f"{i}.between"))
