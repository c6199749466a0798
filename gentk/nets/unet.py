"""The U-Net of denoising diffusion, for images of any size and channel count.

With `scale_shift=False`, `patch=1` and four levels it is the network of Ho et al. 2020 as the Hub holds it (its parameter names are
those of that format, so that checkpoints map one to one); FiLM and a space-to-depth stem are what pays on small machines.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .embeddings import TimeEmbedding


class ResBlock(nn.Module):
    """norm, SiLU, conv, time, norm, SiLU, conv, and a shortcut. `scale_shift`: the time scales and shifts the second norm."""

    def __init__(self, inputs: int, outputs: int, time: int, *, groups: int, eps: float, dropout: float, scale_shift: bool) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, eps)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, outputs * (2 if scale_shift else 1))
        self.norm2 = nn.GroupNorm(groups, outputs, eps)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None
        self.scale_shift = scale_shift
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, mood: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x)))
        told = self.time_emb_proj(mood)[:, :, None, None]
        if self.scale_shift:
            scale, shift = told.chunk(2, dim=1)
            hidden = torch.addcmul(shift, self.norm2(hidden), 1 + scale)
        else:
            hidden = self.norm2(hidden + told)
        hidden = self.conv2(self.dropout(F.silu(hidden)))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + hidden  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Self-attention over all pixels, (n, C, H, W) → the same, with a residual. `groups` 0: no norm."""

    def __init__(self, channels: int, *, groups: int, eps: float, head_dim: int | None) -> None:
        super().__init__()
        self.heads = channels // (head_dim or channels)
        self.group_norm = nn.GroupNorm(groups, channels, eps) if groups else nn.Identity()
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])
        for parameter in self.to_out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        pixels = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (f(pixels).view(n, h * w, self.heads, -1).transpose(1, 2) for f in (self.to_q, self.to_k, self.to_v))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, h * w, c)
        return x + self.to_out[0](mixed).transpose(1, 2).reshape(n, c, h, w)  # type: ignore[no-any-return]


class Downsample(nn.Module):
    """A strided convolution. `padding` 0 pads right and below only, as the original code does."""

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        if not self.padding:
            x = F.pad(x, (0, max(1, 3 - x.shape[-1]), 0, max(1, 3 - x.shape[-2])))  # one pixel; two where there is only one
        return self.conv(x)  # type: ignore[no-any-return]


class Upsample(nn.Module):
    """Nearest neighbours to a size, then a convolution: odd sizes come back exactly."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        return self.conv(F.interpolate(x, size=size, mode="nearest"))  # type: ignore[no-any-return]


class Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention where the level has it."""

    def __init__(self, blocks: Sequence[ResBlock], attentions: Sequence[Attention]) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(blocks)
        if attentions:
            self.attentions = nn.ModuleList(attentions)
        self.attends = bool(attentions)

    def block(self, i: int, x: Tensor, mood: Tensor) -> Tensor:
        x = self.resnets[i](x, mood)
        return self.attentions[i](x) if self.attends else x


class Middle(Level):
    def forward(self, x: Tensor, mood: Tensor) -> Tensor:
        x = self.resnets[0](x, mood)
        if self.attends:
            x = self.attentions[0](x)
        return self.resnets[1](x, mood)  # type: ignore[no-any-return]


class UNet(nn.Module):
    """x (n, inputs, H, W), t (n,), label (n,) or None, told (n, told) or None → (n, inputs, H, W).

    channels: of each level, finest first. layers: residual blocks per level (one more on the way up). attention: which levels have it;
    the middle has it where `middle_attention`, with a norm of `middle_groups` (0: of `groups`) where `middle_norm`. patch: side of the
    squares of pixels that the stem folds into channels. classes: size of the class embedding, the "none" included. told: numbers that say
    more of x, of which none is as good as all 0. frequencies_end,
    cosine_first: of the time's embedding, see `sinusoidal`. centre: the input is moved from [0, 1] to [-1, 1]. Sides that do not divide
    are padded by their edge and cut again. The last layer of every residual branch and of the net starts at zero.
    """

    def __init__(
        self,
        inputs: int,
        *,
        channels: Sequence[int] = (64, 128),
        layers: int = 1,
        attention: Sequence[bool] = (False, False),
        middle_attention: bool = True,
        middle_norm: bool = True,
        middle_groups: int = 0,
        head_dim: int | None = 32,
        groups: int = 8,
        eps: float = 1e-6,
        dropout: float = 0.0,
        scale_shift: bool = True,
        downsample_padding: int = 1,
        patch: int = 1,
        classes: int = 0,
        told: int = 0,
        frequencies_end: bool = True,
        cosine_first: bool = False,
        centre: bool = False,
    ) -> None:
        super().__init__()
        self.patch, self.centre = patch, centre
        time = 4 * channels[0]
        self.conv_in = nn.Conv2d(inputs * patch**2, channels[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(channels[0], time, endpoint=frequencies_end, cosine_first=cosine_first)
        if classes:
            self.class_embedding = nn.Embedding(classes, time)
        if told:
            self.told_embedding = nn.Linear(told, time, bias=False)

        def blocks(*sizes: tuple[int, int]) -> list[ResBlock]:
            return [ResBlock(a, b, time, groups=groups, eps=eps, dropout=dropout, scale_shift=scale_shift) for a, b in sizes]

        def attentions(width: int, count: int, wanted: bool, groups: int = groups) -> list[Attention]:
            return [Attention(width, groups=groups, eps=eps, head_dim=head_dim) for _ in range(count if wanted else 0)]

        last = len(channels) - 1
        self.down_blocks = nn.ModuleList()
        skips, before = [channels[0]], channels[0]  # widths that the way up will meet again, in order
        for i, width in enumerate(channels):
            sizes = [(before if j == 0 else width, width) for j in range(layers)]
            level = Level(blocks(*sizes), attentions(width, layers, attention[i]))
            if i < last:
                level.downsamplers = nn.ModuleList([Downsample(width, downsample_padding)])
            self.down_blocks.append(level)
            skips += [width] * (layers + (i < last))
            before = width
        middle = attentions(before, 1, middle_attention, (middle_groups or groups) if middle_norm else 0)
        self.mid_block = Middle(blocks((before, before), (before, before)), middle)
        self.up_blocks = nn.ModuleList()
        for i, width in reversed(list(enumerate(channels))):
            sizes = []
            for _ in range(layers + 1):
                sizes.append((before + skips.pop(), width))
                before = width
            level = Level(blocks(*sizes), attentions(width, layers + 1, attention[i]))
            if i > 0:
                level.upsamplers = nn.ModuleList([Upsample(width)])
            self.up_blocks.append(level)
        self.conv_norm_out = nn.GroupNorm(groups, channels[0], eps)
        self.conv_out = nn.Conv2d(channels[0], inputs * patch**2, 3, padding=1)
        for parameter in self.conv_out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None, told: Tensor | None = None) -> Tensor:
        height, width = x.shape[-2:]
        spare = (-width % self.patch, -height % self.patch)
        if any(spare):
            x = F.pad(x, (0, spare[0], 0, spare[1]), mode="replicate")
        mood = self.time_embedding(t)
        if label is not None and hasattr(self, "class_embedding"):
            mood = mood + self.class_embedding(label)
        if told is not None:
            mood = mood + self.told_embedding(told)
        mood = F.silu(mood)
        x = self.conv_in(F.pixel_unshuffle(2 * x - 1 if self.centre else x, self.patch))
        skips = [x]
        for level in self.down_blocks:
            assert isinstance(level, Level)
            for i in range(len(level.resnets)):
                x = level.block(i, x, mood)
                skips.append(x)
            if hasattr(level, "downsamplers"):
                x = level.downsamplers[0](x)  # type: ignore[index, operator, unused-ignore]
                skips.append(x)
        x = self.mid_block(x, mood)
        for level in self.up_blocks:
            assert isinstance(level, Level)
            for i in range(len(level.resnets)):
                x = level.block(i, torch.cat([x, skips.pop()], dim=1), mood)
            if hasattr(level, "upsamplers"):
                x = level.upsamplers[0](x, skips[-1].shape[-2:])  # type: ignore[index, operator, unused-ignore]
        out = F.pixel_shuffle(self.conv_out(F.silu(self.conv_norm_out(x))), self.patch)
        return out[..., :height, :width]
