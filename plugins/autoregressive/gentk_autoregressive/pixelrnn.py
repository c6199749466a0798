"""`pixelrnn`: an image pixel by pixel with LSTMs that run over it (van den Oord et al. 2016a, §3).

Row LSTM: the state of a row comes from three pixels of the row above, so that each pixel sees a triangle. Diagonal BiLSTM: a state comes
from the pixels above and beside it, in one direction from the left and in the other from the right; the latter is moved down a row, and
together they see every earlier pixel. Both are one recurrence, `scan`, over lines of the image: rows, or diagonals.
Unlike the paper's, the direction from the right also reads each pixel itself, as only the row below hears of it: otherwise the last pixel
of a row is a blind spot of most of the row below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.protocols import DataSpec

from .masked import Channels
from .pixel_config import PixelRNNConfig
from .pixels import embedded
from .raster import Raster


def cell(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """(ibid., eq. 3) gates (…, 4 · units) and the state before (…, units) → output h and state c."""
    gates, units = gates.to(c.dtype), c.shape[-1]
    o, f, i = gates[..., : 3 * units].sigmoid().chunk(3, -1)
    c = f * c + i * gates[..., 3 * units :].tanh()
    return o * c.tanh(), c


def scan(gates: Tensor, states: Tensor, taps: tuple[int, ...]) -> Tensor:
    """What the input gives to each of T lines of M places, (T, D, n, M, 4 · units), in D directions → h (T, D, n, M, units).

    The state at a place comes from the places `taps` beside it on the line before, by `states` (D, len(taps) · units, 4 · units).
    """
    d, n, m, width = gates.shape[1:]
    h = c = gates.new_zeros(d, n, m, width // 4, dtype=torch.promote_types(gates.dtype, torch.float32))
    found = []
    for given in gates.unbind(0):
        padded = F.pad(h, (0, 0, max(0, -taps[0]), max(0, taps[-1])))
        around = torch.cat([padded[:, :, tap - taps[0] : tap - taps[0] + m] for tap in taps], -1)
        h, c = cell(given + torch.bmm(around.flatten(1, 2), states).view_as(given), c)
        found.append(h)
    return torch.stack(found)


def skewed(x: Tensor) -> Tensor:
    """(…, H, W, F) → (…, H, W + H − 1, F): row r moved r places to the right."""
    h, w = x.shape[-3:-1]
    return F.pad(x, (0, 0, 0, h)).flatten(-3, -2)[..., : h * (w + h - 1), :].reshape(*x.shape[:-2], w + h - 1, x.shape[-1])


def straight(x: Tensor) -> Tensor:
    """The inverse of `skewed`."""
    h, s = x.shape[-3:-1]
    return F.pad(x.flatten(-3, -2), (0, 0, 0, h)).reshape(*x.shape[:-2], s + 1, x.shape[-1])[..., : s + 1 - h, :]


class LSTM(nn.Module):
    """A layer: x (n, H, W, 2 · units), what the class adds to the gates, and the pixels themselves (`own`, as x) → the same shape.

    For sampling it keeps h and c (n, D, H + 1, W + 2, units) of every pixel and the stream (n, H, W + 1, 2 · units) that it reads, with a
    border of zeros: pixel (r, c) stands at [r + 1, c + 1], and in the stream at [r, c + 1].
    """

    taps: tuple[int, ...]
    directions: int

    def __init__(self, units: int, reads: int) -> None:
        super().__init__()
        self.units = units
        self.inputs = nn.Linear(reads * 2 * units, 4 * units * self.directions)
        self.states = nn.ModuleList([nn.Linear(len(self.taps) * units, 4 * units, bias=False) for _ in range(self.directions)])
        self.out = nn.Linear(units, 2 * units)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.inputs.bias.view(self.directions, 4, units)[:, 1] = 1.0  # what is remembered at first (Gers et al. 2000)

    def added(self, x: Tensor, h: Tensor) -> Tensor:
        """x (…, 2 · units), the layer's input, with what its states h (…, units) say."""
        out: Tensor = x + self.out(h)
        return out

    def transitions(self) -> Tensor:
        """(D, taps · units, 4 · units)."""
        return torch.stack([layer.weight.T for layer in self.states if isinstance(layer, nn.Linear)])


class RowLSTM(LSTM):
    """States from the row above; each pixel reads its own input and that to the left."""

    taps, directions = (-1, 0, 1), 1

    def __init__(self, units: int) -> None:
        super().__init__(units, reads=2)

    def forward(self, x: Tensor, told: Tensor | float, own: Tensor) -> Tensor:
        gates = self.inputs(torch.cat([F.pad(x, (0, 0, 1, 0))[:, :, :-1], x], -1)) + told
        h = scan(gates.permute(1, 0, 2, 3)[:, None], self.transitions(), self.taps)
        return self.added(x, h[:, 0].transpose(0, 1))

    def row(self, cache: Mapping[str, Tensor], new: Tensor, r: Tensor, own: Tensor) -> None:
        """What the row above gives to row r: cache["given"] (n, W, 4 · units)."""
        above = cache["h"][new, 0, r]  # (m, W + 2, units)
        around = torch.cat([above[:, :-2], above[:, 1:-1], above[:, 2:]], -1)
        cache["given"][new] = around @ self.transitions()[0]

    def pixel(self, cache: Mapping[str, Tensor], new: Tensor, r: Tensor, c: Tensor) -> Tensor:
        x = cache["stream"][new, r, c + 1]
        read = torch.cat([cache["stream"][new, r, c], x], -1)
        h, state = cell(self.inputs(read) + cache["told"][new] + cache["given"][new, c], cache["c"][new, 0, r, c + 1])
        cache["h"][new, 0, r + 1, c + 1], cache["c"][new, 0, r + 1, c + 1] = h, state
        return self.added(x, h)


class DiagonalBiLSTM(LSTM):
    """States from the pixels above and beside, in two directions."""

    taps, directions = (-1, 0), 2

    def __init__(self, units: int) -> None:
        super().__init__(units, reads=1)

    def of_pixels(self, own: Tensor) -> Tensor:
        """What the pixels themselves give to the direction from the right."""
        return F.linear(own, self.inputs.weight[4 * self.units :])

    def forward(self, x: Tensor, told: Tensor | float, own: Tensor) -> Tensor:
        left, right = (self.inputs(x) + told).chunk(2, -1)
        gates = skewed(torch.stack([left, (right + self.of_pixels(own)).flip(2)])).permute(3, 0, 1, 2, 4)  # (W + H − 1, 2, n, H, 4 · units)
        h = straight(scan(gates.contiguous(), self.transitions(), self.taps).permute(1, 2, 3, 0, 4))
        return self.added(x, h[0] + F.pad(h[1].flip(2), (0, 0, 0, 0, 1, 0))[:, :-1])

    def row(self, cache: Mapping[str, Tensor], new: Tensor, r: Tensor, own: Tensor) -> None:
        """The direction from the right over row r − 1, which is now complete; `own` (m, W, 2 · units) are its pixels."""
        some = new[r > 0]
        above, width = r[r > 0] - 1, cache["stream"].shape[2] - 1
        if not len(some):
            return
        state, weight = cache["c"].new_zeros(len(some), self.units), self.transitions()[1]
        gates = (self.inputs(cache["stream"][some, above, 1:]) + cache["told"][some, None])[..., 4 * self.units :]
        gates = gates + self.of_pixels(own[r > 0])
        for c in reversed(range(width)):
            around = torch.cat([cache["h"][some, 1, above, c + 1], cache["h"][some, 1, above + 1, c + 2]], -1)
            cache["h"][some, 1, above + 1, c + 1], state = cell(gates[:, c] + around @ weight, state)

    def pixel(self, cache: Mapping[str, Tensor], new: Tensor, r: Tensor, c: Tensor) -> Tensor:
        x = cache["stream"][new, r, c + 1]
        around = torch.cat([cache["h"][new, 0, r, c + 1], cache["h"][new, 0, r + 1, c]], -1)
        gates = self.inputs(x)[:, : 4 * self.units] + cache["told"][new, : 4 * self.units] + around @ self.transitions()[0]
        h, state = cell(gates, cache["c"][new, 0, r + 1, c])
        cache["h"][new, 0, r + 1, c + 1], cache["c"][new, 0, r + 1, c + 1] = h, state
        return self.added(x, h + cache["h"][new, 1, r, c + 1])


LAYERS: dict[str, type[RowLSTM] | type[DiagonalBiLSTM]] = {"row": RowLSTM, "diagonal": DiagonalBiLSTM}


class PixelRNNNet(nn.Module):
    """x (n, inputs, H, W) and channels (n, H, W, C) in [-1, 1] → parameters of each pixel given earlier ones, (n, H, W, …)."""

    def __init__(self, config: PixelRNNConfig, inputs: int, output: Channels, classes: int) -> None:
        super().__init__()
        stream, self.reach, layer = 2 * config.width, config.first // 2, LAYERS[config.lstm]
        self.gates = 4 * config.width * layer.directions
        self.first_above = nn.Conv2d(inputs, stream, (self.reach, config.first))
        self.first_left = nn.Conv2d(inputs, stream, (1, self.reach), bias=False)
        self.first_own = nn.Linear(inputs, stream, bias=False) if layer.directions == 2 else None
        self.layers = nn.ModuleList([layer(config.width) for _ in range(config.layers)])
        self.last = nn.Linear(stream, config.hidden)
        self.output = output
        if classes:
            self.class_embedding = nn.Embedding(classes, config.layers * self.gates)
            nn.init.normal_(self.class_embedding.weight, std=0.02)

    def told(self, label: Tensor | None) -> Tensor | None:
        """What the class adds to the gates of each layer, (n, layers, gates)."""
        return None if label is None else embedded(self.class_embedding, label).view(-1, len(self.layers), self.gates)

    def own(self, x: Tensor) -> Tensor:
        """Features of each pixel itself, (n, inputs, H, W) → (n, H, W, stream)."""
        x = x.permute(0, 2, 3, 1)
        return x if self.first_own is None else self.first_own(x)

    def forward(self, x: Tensor, values: Tensor, label: Tensor | None) -> Tensor:
        told, r, own = self.told(label), self.reach, self.own(x)
        x = self.first_above(F.pad(x, (r, r, r, 0))[:, :, :-1]) + self.first_left(F.pad(x, (r, 0))[..., :-1])
        x = x.permute(0, 2, 3, 1)
        for i, layer in enumerate(self.layers):
            x = layer(x, 0.0 if told is None else told[:, i, None, None].to(x.dtype), own)
        out: Tensor = self.output(self.last(x), values)
        return out


class PixelRNN(Raster):
    """Images of any channels and levels, and maps of codes (H, W)."""

    Config = PixelRNNConfig
    config: PixelRNNConfig
    net: PixelRNNNet
    outer = ("net.first_above", "net.first_left", "net.first_own", "net.output.out")

    def __init__(self, config: PixelRNNConfig, data: DataSpec) -> None:
        super().__init__(config, data)
        self.net = PixelRNNNet(config, self.inputs, self.output(), self.classes)

    def opened(self, n: int, label: Tensor | None) -> dict[str, Tensor]:
        """What each layer keeps, and of one row (`row` says which) what the rows above give to the first layer and to each LSTM."""
        weight, units, layers, told = self.net.last.weight, self.config.width, self.config.layers, self.net.told(label)
        states = (n, layers, LAYERS[self.config.lstm].directions, self.rows + 1, self.columns + 2, units)
        return {
            "h": weight.new_zeros(states),
            "c": weight.new_zeros(states),
            "stream": weight.new_zeros(n, layers, self.rows, self.columns + 1, 2 * units),
            "first": weight.new_zeros(n, self.columns, 2 * units),
            "given": weight.new_zeros(n, layers, self.columns, 4 * units),
            "row": torch.full((n,), -1, device=weight.device),
            "features": weight.new_zeros(n, self.rows, self.columns, self.config.hidden),
            "told": weight.new_zeros(n, layers, self.net.gates) if told is None else told,
        }

    def _each(self, cache: Mapping[str, Tensor]) -> Iterator[tuple[RowLSTM | DiagonalBiLSTM, dict[str, Tensor]]]:
        """Every layer with its part of the cache."""
        for i, layer in enumerate(self.net.layers):
            assert isinstance(layer, RowLSTM | DiagonalBiLSTM)
            yield layer, {name: cache[name][:, i] for name in ("h", "c", "stream", "given", "told")}

    def row_begins(self, cache: Mapping[str, Tensor], pixels: Tensor, new: Tensor, r: Tensor) -> None:
        cache["first"][new] = self.net.first_above(self.first(pixels, r))[:, :, 0].transpose(1, 2)
        above = self.net.own(self.window(pixels, (r - 1, torch.zeros_like(r)), (1, self.columns)))[:, 0]
        for layer, part in self._each(cache):
            layer.row(part, new, r, above)

    def pixel_begins(self, cache: Mapping[str, Tensor], pixels: Tensor, new: Tensor, place: tuple[Tensor, Tensor]) -> None:
        r, c = place
        x = cache["first"][new, c] + self.net.first_left(self.first(pixels, r, c))[:, :, 0, 0]
        for layer, part in self._each(cache):
            part["stream"][new, r, c + 1] = x
            x = layer.pixel(part, new, r, c)
        cache["features"][new, r, c] = self.net.last(x)
