"""Images in raster order, the channels of a pixel in turn: what `pixelcnn` and `pixelrnn` share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.errors import UsageError
from gentk.protocols import DataSpec

from .laws import LogisticMixture, single
from .masked import Channels
from .pixel_config import RasterConfig
from .pixels import Pixels


class Raster(Pixels):
    """Base of models that give the features of each pixel from earlier pixels, and of its channels by `Channels`.

    Images of any channels and levels, and maps of codes (H, W). A subclass makes `net`, of x (n, inputs, H, W), channels (n, H, W, C) in
    [-1, 1] and label, with the module `output`; and for samplers `row_begins` and `pixel_begins`, which fill its cache.
    """

    config: RasterConfig
    net: nn.Module
    places: Tensor

    def __init__(self, config: RasterConfig, data: DataSpec) -> None:
        super().__init__(config, data)
        shape, count = data.shape, self.tokens.count
        if len(shape) != (2 if self.tokens.codes else 3):
            what = f"{type(self).__name__.lower()} wants images (C, H, W) of grey levels, or maps (H, W) of codes"
            raise UsageError(f"{what}; x has the shape {shape}")
        self.channels, self.rows, self.columns = shape if len(shape) == 3 else (1, *shape)
        mixture = config.likelihood == "mixture" or (config.likelihood == "auto" and count > 32 and not self.tokens.codes)
        if mixture and self.tokens.codes:
            raise UsageError("codes have no order that a mixture of logistics could use: set model.config.likelihood=categorical")
        self.law = LogisticMixture(count, self.channels, config.mixture) if mixture else single(count)
        places = torch.arange(self.channels * self.rows * self.columns).view(self.channels, -1)
        self.register_buffer("places", places.T.flatten(), persistent=False)

    @property
    def inputs(self) -> int:
        """Channels of what the net reads."""
        return self.tokens.count if self.tokens.codes else self.channels + 1

    def output(self) -> Channels:
        """A last layer of the net: `config.hidden` features of a pixel → parameters of its channels."""
        mixture = isinstance(self.law, LogisticMixture)
        each = self.law.parameters_each * (1 if mixture else self.channels)
        return Channels(self.config.hidden, self.channels, each, masked=not mixture)

    def read(self, tokens: Tensor) -> Tensor:
        """Tokens (n, C, H, W) → what the net reads, (n, inputs, H, W): codes one-hot; numbers, and ones that show the image's border."""
        if self.tokens.codes:
            return F.one_hot(tokens[:, 0], self.tokens.count).permute(0, 3, 1, 2).to(torch.get_default_dtype())
        values = self.tokens.values(tokens)
        return torch.cat([values, torch.ones_like(values[:, :1])], 1)

    def nats(self, tokens: Tensor, label: Tensor | None) -> Tensor:
        tokens = tokens.view(-1, self.channels, self.rows, self.columns)
        last = tokens.permute(0, 2, 3, 1)
        given = self.net(self.read(tokens), self.tokens.values(last), label)
        return self.law.log_prob(given, last).flatten(1).sum(1)

    def window(self, pixels: Tensor, place: tuple[Tensor, Tensor], size: tuple[int, int]) -> Tensor:
        """What the net reads of pixels (n, H, W, C) in windows (n, inputs, *size) that begin at `place`, 0 outside of the image."""
        rows, columns = (first[:, None] + torch.arange(m, device=first.device) for first, m in zip(place, size, strict=True))
        inside = ((rows >= 0)[:, :, None] & (columns >= 0)[:, None] & (columns < self.columns)[:, None])[:, None]
        index = torch.arange(len(pixels), device=rows.device)[:, None, None]
        part = pixels[index, rows.clamp(min=0)[:, :, None], columns.clamp(0, self.columns - 1)[:, None]]
        return self.read(part.permute(0, 3, 1, 2)).to(next(self.net.parameters())) * inside

    def first(self, pixels: Tensor, r: Tensor, c: Tensor | None = None) -> Tensor:
        """What the first layer sees of pixels (n, H, W, C): the rows above r, or, with c, the pixels to the left of (r, c)."""
        side = self.config.first // 2
        if c is None:
            return self.window(pixels, (r - side, torch.full_like(r, -side)), (side, self.columns + 2 * side))
        return self.window(pixels, (r, c - side), (1, side))

    def row_begins(self, cache: Mapping[str, Tensor], pixels: Tensor, new: Tensor, r: Tensor) -> None:
        """Keep what the pixels (m, H, W, C) above the rows `r` (m,) say, for the rows `new` (m,) of the cache."""
        raise NotImplementedError

    def pixel_begins(self, cache: Mapping[str, Tensor], pixels: Tensor, new: Tensor, place: tuple[Tensor, Tensor]) -> None:
        """Keep the features of pixels (r, c), (m,) each, in cache["features"] (n, H, W, hidden)."""
        raise NotImplementedError

    def predicted(self, cache: Mapping[str, Tensor], place: Tensor) -> Tensor:
        pixel, channel = place // self.channels, place % self.channels
        r, c = pixel // self.columns, pixel % self.columns
        pixels = cache["x"].view(-1, self.rows, self.columns, self.channels)
        new = (channel == 0).nonzero()[:, 0]
        if len(new):
            late = new[(c[new] == 0) | (cache["row"][new] != r[new])]  # also where a sampler went back to an earlier row
            if len(late):
                self.row_begins(cache, pixels[late], late, r[late])
                cache["row"][late] = r[late]
            self.pixel_begins(cache, pixels[new], new, (r[new], c[new]))
        row = torch.arange(len(place), device=place.device)
        own = pixels[row, r, c]
        given = self.net.get_submodule("output")(cache["features"][row, r, c], self.tokens.values(own))
        return self.law.logits(given, own)[row, channel]
