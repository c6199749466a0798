"""`patch-ar`: an image patch by patch with a transformer, and pixel by pixel inside each patch with a masked net.

A step of the transformer costs as much as 16 pixels cost otherwise, so that the exact likelihood of 784 pixels is learned with 49 of them.
Sources: patches as tokens and QK-norm (Dehghani et al. 2023), 2-D relative bias (Liu et al. 2021), ReLU² (So et al. 2021), token shift
(Peng et al. 2023), MADE (Germain et al. 2015).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.errors import UsageError
from gentk.protocols import DataSpec

from .laws import single
from .pixel_config import PatchConfig
from .pixels import Pixels, embedded, rms

SEEN = ((-2, -1), (-2, 0), (-2, 1), (-1, -2), (-1, -1), (-1, 0), (-1, 1), (-1, 2), (0, -2), (0, -1))  # patches whose pixels a token reads
SHIFTED = ((-1, -1), (-1, 0), (-1, 1), (0, -1))  # patches whose features are mixed in before each MLP
BIAS = 4.0  # a learning rate for the relative bias, which starts at 0
DARK = -1.5  # the first logit of a binary number
MOST = 4096  # patches of an image, and hidden units of a patch: masks have as many rows and columns
HOST = "cpu"  # masks are made there: of numbers without values (on "meta") torch would import its compiler


def neighbours(rows: int, columns: int, offsets: tuple[tuple[int, int], ...], *, wrap: bool) -> list[list[int]]:
    """For each patch in raster order the patches at these offsets; `rows · columns` where there is none.

    `wrap`: those to the left go on in raster order, to the end of the row above: else the first patches of a row would never see it.
    """
    none = rows * columns
    found: list[list[int]] = []
    for place in range(none):
        r, c = divmod(place, columns)
        found.append([])
        for dr, dc in offsets:
            inside = r + dr >= 0 and 0 <= c + dc < columns
            left = place + dc if wrap and dr == 0 and place + dc >= 0 else none
            found[-1].append((r + dr) * columns + c + dc if inside else left)
    return found


def pick(x: Tensor, index: Tensor) -> Tensor:
    """Places of x (n, S, d): index (…, m) into S places and one of zeros behind them → (n, …, m · d)."""
    padded = F.pad(x, (0, 0, 0, 1))
    return padded[:, index].flatten(-2)


def weight(outputs: int, inputs: int, gain: float = 1.0) -> nn.Parameter:
    """A matrix that keeps the size of what it multiplies, times `gain`."""
    made = nn.Parameter(torch.empty(outputs, inputs))
    nn.init.normal_(made, std=gain / inputs**0.5)
    return made


def zeros(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape))


class Block(nn.Module):
    """Attention to earlier patches with a bias by their offset, then an MLP that also sees the features of four neighbours."""

    def __init__(self, config: PatchConfig, grid: tuple[int, int]) -> None:
        super().__init__()
        d, hidden = config.width, config.expand * config.width
        self.heads, self.grid, self.dropout = config.heads, grid, config.dropout
        self.size = d // config.heads
        self.qkv, self.out = weight(3 * d, d, 0.6), zeros(d, d)
        self.up, self.down = weight(hidden, d, 0.6), zeros(d, hidden)
        self.shift = zeros(len(SHIFTED), d)
        self.sharpness = nn.Parameter(torch.full((config.heads,), 1.2 * self.size**0.5))
        self.bias = zeros(config.heads, (2 * grid[0] - 1) * (2 * grid[1] - 1))
        self.mix = nn.Parameter(torch.tensor([1.0, 0.0]))

    def projected(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of y (n, m, d), each (n, heads, m, size)."""
        n, m, _ = y.shape
        q, k, v = F.linear(y, self.qkv).view(n, m, 3, self.heads, self.size).permute(2, 0, 3, 1, 4).unbind(0)
        return rms(q) * (self.sharpness / self.size).to(q.dtype)[:, None, None], rms(k), v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """(n, heads, m, size) looks at (n, heads, S, size) → (n, m, d); `bias` is added to the logits, −∞ where a key is not seen."""
        share = (torch.matmul(q, k.transpose(-2, -1)).float() + bias).softmax(-1).to(v.dtype)
        return torch.matmul(share, v).transpose(1, 2).flatten(2)

    def shifted(self, y: Tensor) -> Tensor:
        """y (n, S, d) with the features of four earlier neighbours mixed in, each by weights of its own."""
        rows, columns = self.grid
        n, s, d = y.shape
        g = F.pad(y.view(n, rows, columns, d), (0, 0, 1, 1, 1, 0))
        w = self.shift.to(y.dtype)
        around = g[:, :-1, :-2] * w[0] + g[:, :-1, 1:-1] * w[1] + g[:, :-1, 2:] * w[2] + g[:, 1:, :-2] * w[3]
        return y + around.reshape(n, s, d)

    def mlp(self, y: Tensor) -> Tensor:
        return F.dropout(F.linear(F.relu(F.linear(y, self.up)).square(), self.down), self.dropout, self.training)

    def forward(self, x: Tensor, first: Tensor, offset: Tensor, hidden: Tensor) -> Tensor:
        """x (n, S, d), the block's input, and `first`, the net's → (n, S, d)."""
        x = x * self.mix[0].to(x.dtype) + first * self.mix[1].to(x.dtype)
        seen = self.attend(*self.projected(rms(x)), self.bias[:, offset] * BIAS + hidden)
        x = x + F.dropout(F.linear(seen, self.out), self.dropout, self.training)
        return x + self.mlp(self.shifted(rms(x)))

    def step(self, x: Tensor, first: Tensor, at: Tensor, bias: Tensor, around: Tensor, cache: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """`forward` of one patch of each row: x, first (n, d), `at` (n,) where it stands, `bias` (n, heads, 1, S), `around` (n, 4).

        `cache`: keys and values (n, heads, S, size), and the features that are mixed in (n, S + 1, d), the last of them 0. Written at `at`.
        """
        row = torch.arange(len(x), device=x.device)
        keys, values, features = cache
        x = x * self.mix[0] + first * self.mix[1]
        q, k, v = self.projected(rms(x)[:, None])
        keys[row, :, at], values[row, :, at] = k[:, :, 0].to(keys), v[:, :, 0].to(values)
        x = x + F.linear(self.attend(q, keys, values, bias)[:, 0], self.out)
        y = rms(x)
        features[row, at] = y.to(features)
        return x + self.mlp(y + (features[row[:, None], around] * self.shift).sum(1))


class Masked(nn.Module):
    """MADE over the numbers of one patch, given the patch's features and the pixels around it: two hidden layers and direct connections.

    Hidden units come in groups, one per number; group i sees the numbers before i, so number i is told of nothing later.
    """

    def __init__(self, numbers: int, seen: int, config: PatchConfig, each: int, places: int) -> None:
        super().__init__()
        d, k = config.width, numbers * config.hidden
        self.numbers, self.each = numbers, each
        self.by_features, self.by_seen, self.by_own = weight(k, d, 0.7), weight(k, seen, 0.3), weight(k, numbers)
        self.bias = zeros(k)
        self.second, self.second_by_features = weight(k, k, 0.7), weight(k, d, 0.5)
        self.out, self.out_by_features, self.out_by_own = zeros(numbers * each, k), zeros(numbers * each, d), zeros(numbers * each, numbers)
        self.level = nn.Parameter(torch.full((numbers * each,), DARK if each == 1 else 0.0))
        self.place = zeros(places, numbers * each)
        number = torch.arange(numbers, device=HOST)
        group, output = number.repeat_interleave(config.hidden), number.repeat_interleave(each)
        self.register_buffer("first_mask", (number < group[:, None]).float(), persistent=False)
        self.register_buffer("second_mask", (group <= group[:, None]).float(), persistent=False)
        self.register_buffer("out_mask", (group <= output[:, None]).float(), persistent=False)
        self.register_buffer("own_mask", (number < output[:, None]).float(), persistent=False)

    first_mask: Tensor
    second_mask: Tensor
    out_mask: Tensor
    own_mask: Tensor

    def forward(self, z: Tensor, seen: Tensor, own: Tensor, place: Tensor) -> Tensor:
        """Features z (n, m, d), pixels `seen` around (n, m, …), the patch's `own` numbers (n, m, numbers) → (n, m, numbers, each)."""
        u = F.linear(z, self.by_features) + F.linear(seen, self.by_seen) + F.linear(own, self.by_own * self.first_mask)
        u = F.relu(u + self.bias.to(u.dtype)).square()
        u = u + F.relu(F.linear(u, self.second * self.second_mask) + F.linear(z, self.second_by_features)).square()
        out = F.linear(u, self.out * self.out_mask) + F.linear(z, self.out_by_features) + F.linear(own, self.out_by_own * self.own_mask)
        out = out.float() + self.level + self.place[place]
        return out.view(*out.shape[:-1], self.numbers, self.each)


class PatchNet(nn.Module):
    """Patches (n, S, numbers) in [-1, 1] → parameters of each number given those before it, (n, S, numbers, each)."""

    def __init__(self, config: PatchConfig, grid: tuple[int, int], numbers: int, each: int, classes: int) -> None:
        super().__init__()
        rows, columns = grid
        places, seen = rows * columns, len(SEEN) * numbers
        self.inward, self.place = weight(config.width, seen), nn.Parameter(torch.empty(places, config.width))
        nn.init.normal_(self.place, std=0.02)
        if classes:
            self.class_embedding = nn.Embedding(classes, config.width)
            nn.init.normal_(self.class_embedding.weight, std=0.02)
        self.blocks = nn.ModuleList([Block(config, grid) for _ in range(config.blocks)])
        self.head = Masked(numbers, seen, config, each, places)
        c = torch.arange(columns, device=HOST).repeat(rows)
        r = torch.arange(rows, device=HOST).repeat_interleave(columns)
        offset = (r[:, None] - r + rows - 1) * (2 * columns - 1) + c[:, None] - c + columns - 1
        self.register_buffer("offset", offset, persistent=False)
        self.register_buffer("hidden", torch.full((places, places), float("-inf"), device=HOST).triu(1), persistent=False)
        self.register_buffer("seen", torch.tensor(neighbours(rows, columns, SEEN, wrap=True)), persistent=False)
        self.register_buffer("around", torch.tensor(neighbours(rows, columns, SHIFTED, wrap=False)), persistent=False)
        self.register_buffer("places", torch.arange(places), persistent=False)

    offset: Tensor
    hidden: Tensor
    seen: Tensor
    around: Tensor
    places: Tensor

    def told(self, label: Tensor | None) -> Tensor | float:
        """What the class adds to every token, (n, 1, d)."""
        return 0.0 if label is None else embedded(self.class_embedding, label)[:, None]

    def forward(self, patches: Tensor, label: Tensor | None) -> Tensor:
        seen = pick(patches, self.seen)
        x = F.linear(seen, self.inward)
        first = x = rms(x + (self.place + self.told(label)).to(x.dtype))
        for block in self.blocks:
            x = block(x, first, self.offset, self.hidden)
        out: Tensor = self.head(rms(x), seen, patches, self.places)
        return out

    def around_pixels(self, patches: Tensor, at: Tensor) -> Tensor:
        """The pixels that the token of patch `at` (n,) reads, (n, …)."""
        row = torch.arange(len(at), device=at.device)[:, None]
        return F.pad(patches, (0, 0, 0, 1))[row, self.seen[at]].flatten(1)

    def step(self, patches: Tensor, told: Tensor, at: Tensor, cache: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """The features of patch `at` of each row, (n, d), from the patches before it and each block's cache, which is written."""
        first = x = rms(F.linear(self.around_pixels(patches, at), self.inward) + self.place[at] + told)
        for block, own in zip(self.blocks, cache, strict=True):
            assert isinstance(block, Block)
            bias = block.bias[:, self.offset[at]].transpose(0, 1) * BIAS + self.hidden[at][:, None]
            x = block.step(x, first, at, bias[:, :, None], self.around[at], own)
        return rms(x)


class PatchAR(Pixels):
    """Images of any channels and levels, whose sides are multiples of the patch.

    The numbers of a patch come pixel by pixel, the channels of a pixel one after another.
    """

    Config = PatchConfig
    config: PatchConfig
    places: Tensor

    def __init__(self, config: PatchConfig, data: DataSpec) -> None:
        super().__init__(config, data)
        shape, p = data.shape, config.patch
        if len(shape) != 3 or self.tokens.codes:
            raise UsageError("patch-ar wants images, a leaf x of grey levels (C, H, W): pixelcnn takes codes")
        if shape[1] % p or shape[2] % p:
            raise UsageError(f"images of {shape[1]}×{shape[2]} do not divide into patches of {p}×{p}: set model.config.patch to a divisor")
        self.law = single(self.tokens.count, config.mixture)
        grid, numbers = (shape[1] // p, shape[2] // p), shape[0] * p * p
        if max(grid[0] * grid[1], numbers * config.hidden) > MOST:
            about = f"{grid[0] * grid[1]:,} patches of {numbers * config.hidden:,} hidden units"
            raise UsageError(f"{about}: at most {MOST:,} of each; change model.config.patch or hidden")
        self.net = PatchNet(config, grid, numbers, self.law.parameters_each, self.classes)
        places = torch.arange(shape[0] * shape[1] * shape[2]).view(1, *shape)
        self.register_buffer("places", self.patched(places).flatten(), persistent=False)

    @property
    def outer(self) -> tuple[str, ...]:
        """Parameters that are no matrices of the inside, which Muon leaves to AdamW."""
        biases = (f"net.blocks.{i}.bias" for i in range(self.config.blocks))
        return ("net.place", "net.head.out", "net.head.out_by_features", "net.head.out_by_own", "net.head.place", *biases)

    def patched(self, x: Tensor) -> Tensor:
        """(n, C, H, W) → (n, S, numbers): patches in raster order, in each the pixels in raster order, channels last."""
        n, c, h, w = x.shape
        p = self.config.patch
        return x.view(n, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1).reshape(n, -1, p * p * c)

    def nats(self, tokens: Tensor, label: Tensor | None) -> Tensor:
        own = self.patched(tokens)
        return self.law.log_prob(self.net(self.tokens.values(own), label), own).flatten(1).sum(1)

    def opened(self, n: int, label: Tensor | None) -> dict[str, Tensor]:
        """Keys, values and features of every patch in every block, and the features that the masked net is given."""
        weight, (blocks, heads, d) = self.net.inward, (self.config.blocks, self.config.heads, self.config.width)
        s = len(self.net.places)
        told = self.net.told(label)
        return {
            "keys": weight.new_zeros(n, blocks, heads, s, d // heads),
            "values": weight.new_zeros(n, blocks, heads, s, d // heads),
            "features": weight.new_zeros(n, blocks, s + 1, d),
            "z": weight.new_zeros(n, s, d),
            "told": told[:, 0] if isinstance(told, Tensor) else weight.new_zeros(n, d),
        }

    def predicted(self, cache: Mapping[str, Tensor], place: Tensor) -> Tensor:
        numbers, row = self.net.head.numbers, torch.arange(len(place), device=place.device)
        at, inside = place // numbers, place % numbers
        patches = self.tokens.values(cache["x"]).view(len(place), -1, numbers).to(cache["z"])
        new = (inside == 0).nonzero()[:, 0]
        if len(new):  # a patch begins
            part = {name: cache[name] if len(new) == len(row) else cache[name][new] for name in ("keys", "values", "features")}
            each = [(part["keys"][:, i], part["values"][:, i], part["features"][:, i]) for i in range(self.config.blocks)]
            cache["z"][new, at[new]] = self.net.step(patches[new], cache["told"][new], at[new], each).to(cache["z"])
            if len(new) < len(row):
                for name, value in part.items():
                    cache[name][new] = value
        seen = self.net.around_pixels(patches, at)
        given = self.net.head(cache["z"][row, at][:, None], seen[:, None], patches[row, at][:, None], at[:, None])
        return self.law.logits(given[row, 0, inside], cache["x"][row, place])
