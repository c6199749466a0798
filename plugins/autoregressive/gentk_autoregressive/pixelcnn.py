"""`pixelcnn`: an image pixel by pixel with gated masked convolutions (van den Oord et al. 2016b, figure 2).

The vertical stack sees all rows above, the horizontal stack the pixels to the left and the vertical stack: together every earlier
pixel within reach, without a blind spot. No kernel is masked: inputs are shifted and padded, so that no weight looks ahead.
Grey levels and colours: a mixture of discretised logistics (Salimans et al. 2017). Sampling caches activations
(Ramachandran et al. 2017): a pixel costs one column of the horizontal stack, a row one row of the vertical.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.protocols import DataSpec

from .masked import Channels
from .pixel_config import PixelCNNConfig
from .pixels import embedded
from .raster import Raster


def gate(x: Tensor) -> Tensor:
    """tanh(a) σ(b) of the two halves of the channels (dimension 1)."""
    a, b = x.chunk(2, 1)
    return a.tanh() * b.sigmoid()


class Gated(nn.Module):
    """One layer of both stacks; `side` is that of the square kernel whose causal half the two stacks share.

    v at row r has seen the rows above r, and none of its own: so nothing is moved down between the stacks.
    """

    def __init__(self, width: int, side: int, dropout: float) -> None:
        super().__init__()
        self.reach, self.width, self.dropout = side // 2, width, dropout
        self.vertical = nn.Conv2d(width, 2 * width, (self.reach + 1, side))
        self.across = nn.Conv2d(2 * width, 2 * width, 1, bias=False)
        self.horizontal = nn.Conv2d(width, 2 * width, (1, self.reach + 1), bias=False)
        self.out = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, v: Tensor, h: Tensor, told: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """v, h (n, width, H, W), told (n, 4 · width, 1, 1) → v, h and what skips to the output (n, width, H, W)."""
        above = self.vertical(F.pad(v, (self.reach, self.reach, self.reach, 0)))
        seen = self.across(above) + self.horizontal(F.pad(h, (self.reach, 0)))
        if told is not None:
            above, seen = above + told[:, : 2 * self.width], seen + told[:, 2 * self.width :]
        gated = gate(seen)
        return v + gate(above), h + self.out(F.dropout(gated, self.dropout, self.training)), gated

    def row(self, window: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """A row of the vertical stack.

        v (n, width, reach + 1, W + 2 · reach) → v (n, width, 1, W), and what the horizontal stack is given (n, 2 · width, 1, W).
        """
        above = self.vertical(window)
        v = window[:, :, -1:, self.reach : window.shape[3] - self.reach]
        return v + gate(above + told[:, : 2 * self.width, None, None]), self.across(above) + told[:, 2 * self.width :, None, None]

    def column(self, taps: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """A pixel of the horizontal stack: h (n, reach + 1, width) to it, what `row` gave (n, 2 · width) → h, gated."""
        gated = gate(given + F.linear(taps.transpose(1, 2).flatten(1), self.horizontal.weight.flatten(1)))
        return taps[:, -1] + F.linear(gated, self.out.weight.flatten(1), self.out.bias), gated


class PixelCNNNet(nn.Module):
    """x (n, inputs, H, W) and channels (n, H, W, C) in [-1, 1] → parameters of each pixel given earlier ones, (n, H, W, …)."""

    def __init__(self, config: PixelCNNConfig, inputs: int, output: Channels, classes: int) -> None:
        super().__init__()
        c, self.reach = config.width, config.first // 2
        self.first_vertical = nn.Conv2d(inputs, c, (self.reach, config.first))
        self.first_across = nn.Conv2d(c, c, 1, bias=False)
        self.first_horizontal = nn.Conv2d(inputs, c, (1, self.reach), bias=False)
        self.layers = nn.ModuleList([Gated(c, config.kernel, config.dropout) for _ in range(config.layers)])
        self.skip = nn.Conv2d(c * (config.layers + 1), config.hidden, 1)  # the last h, too: the sum of all residuals
        self.output = output
        if classes:
            self.class_embedding = nn.Embedding(classes, config.layers * 4 * c)
            nn.init.normal_(self.class_embedding.weight, std=0.02)

    def told(self, label: Tensor | None) -> Tensor | None:
        """What the class adds to the gates of each layer, (n, layers, 4 · width)."""
        if label is None:
            return None
        return embedded(self.class_embedding, label).view(-1, len(self.layers), 4 * self.first_across.in_channels)

    def forward(self, x: Tensor, values: Tensor, label: Tensor | None) -> Tensor:
        told, r = self.told(label), self.reach
        x = x.contiguous(memory_format=torch.channels_last)  # which all layers keep: a seventh less time on a CPU, half with --compile
        v = self.first_vertical(F.pad(x, (r, r, r, 0))[:, :, :-1])
        h = self.first_across(v) + self.first_horizontal(F.pad(x, (r, 0))[..., :-1])
        skips = []
        for i, layer in enumerate(self.layers):
            v, h, skip = layer(v, h, None if told is None else told[:, i, :, None, None].to(v.dtype))
            skips.append(skip)
        out: Tensor = self.output(self.skip(torch.cat([*skips, h], 1)).permute(0, 2, 3, 1), values)
        return out


class PixelCNN(Raster):
    """Images of any channels and levels, and maps of codes (H, W)."""

    Config = PixelCNNConfig
    config: PixelCNNConfig
    net: PixelCNNNet
    outer = ("net.first_vertical", "net.first_horizontal", "net.output.out")

    def __init__(self, config: PixelCNNConfig, data: DataSpec) -> None:
        super().__init__(config, data)
        self.net = PixelCNNNet(config, self.inputs, self.output(), self.classes)

    def opened(self, n: int, label: Tensor | None) -> dict[str, Tensor]:
        """Inputs of every layer of both stacks with their padding; of one row (`row` says which) what the horizontal stack is given."""
        weight, c, layers, r = self.net.skip.weight, self.config.width, self.config.layers, self.config.kernel // 2
        told = self.net.told(label)
        return {
            "v": weight.new_zeros(n, layers, c, self.rows + r, self.columns + 2 * r),
            "h": weight.new_zeros(n, layers, self.rows, self.columns + r, c),
            "given": weight.new_zeros(n, layers + 1, self.columns, 2 * c),
            "row": torch.full((n,), -1, device=weight.device),
            "features": weight.new_zeros(n, self.rows, self.columns, self.config.hidden),
            "told": weight.new_zeros(n, layers, 4 * c) if told is None else told,
        }

    def row_begins(self, cache: Mapping[str, Tensor], pixels: Tensor, new: Tensor, r: Tensor) -> None:
        """Row `r` (m,) of the vertical stack: all that the rows above say."""
        reach, w, c = self.config.kernel // 2, self.columns, self.config.width
        v = self.net.first_vertical(self.first(pixels, r))
        cache["given"][new, 0, :, :c] = self.net.first_across(v)[:, :, 0].transpose(1, 2)
        lines = r[:, None] + torch.arange(reach + 1, device=r.device)
        for i, layer in enumerate(self.net.layers):
            assert isinstance(layer, Gated)
            cache["v"][new, i, :, r + reach, reach : reach + w] = v[:, :, 0]
            window = cache["v"][new[:, None], i, :, lines].transpose(1, 2)
            v, given = layer.row(window, cache["told"][new, i])
            cache["given"][new, i + 1] = given[:, :, 0].transpose(1, 2)

    def pixel_begins(self, cache: Mapping[str, Tensor], pixels: Tensor, new: Tensor, place: tuple[Tensor, Tensor]) -> None:
        """Column c of row r of the horizontal stack, and the features that the output is made of."""
        (r, c), reach, width = place, self.config.kernel // 2, self.config.width
        h = cache["given"][new, 0, c, :width] + self.net.first_horizontal(self.first(pixels, r, c))[:, :, 0, 0]
        columns = c[:, None] + torch.arange(reach, device=c.device)
        before, given = cache["h"][new[:, None], :, r[:, None], columns], cache["given"][new, :, c]
        inputs, skips = [], []
        for i, layer in enumerate(self.net.layers):
            assert isinstance(layer, Gated)
            inputs.append(h)
            h, gated = layer.column(torch.cat([before[:, :, i], h[:, None]], 1), given[:, i + 1])
            skips.append(gated)
        cache["h"][new, :, r, c + reach] = torch.stack(inputs, 1)
        cache["features"][new, r, c] = F.linear(torch.cat([*skips, h], 1), self.net.skip.weight.flatten(1), self.net.skip.bias)
