"""`ddpm`: images of any size and channel count, with or without a class."""

from __future__ import annotations

from torch import Tensor

from gentk.errors import UsageError
from gentk.nets.unet import UNet
from gentk.protocols import DataSpec

from .augmenting import TOLD, augmented
from .config import DDPMConfig
from .denoising import Denoising


class DDPM(Denoising):
    """Denoising diffusion with a U-Net (Ho et al. 2020; class condition and dropout: Ho & Salimans 2022)."""

    Config = DDPMConfig
    config: DDPMConfig
    outer = ("net.conv_in", "net.conv_out", "net.time_embedding")  # an optimizer for matrices leaves the first and last layers alone

    def __init__(self, config: DDPMConfig, data: DataSpec) -> None:
        if "x" not in data.leaves or len(data.shape) != 3:
            raise UsageError("ddpm wants images: a leaf x of the shape (C, H, W)")
        super().__init__(config, data)
        self.net = UNet(
            data.shape[0],
            channels=config.channels,
            layers=config.layers,
            attention=config.attention,
            middle_attention=config.middle_attention,
            middle_norm=config.middle_norm,
            middle_groups=config.middle_groups,
            head_dim=config.head_dim,
            groups=config.groups,
            eps=config.eps,
            dropout=config.dropout,
            scale_shift=config.scale_shift,
            downsample_padding=config.downsample_padding,
            patch=config.patch,
            classes=self.classes,
            told=TOLD if config.augment else 0,
            frequencies_end=config.frequencies_end,
            cosine_first=config.cosine_first,
            centre=config.centre,
        )

    def augmented(self, x: Tensor) -> tuple[Tensor, ...]:
        return augmented(x, self.config.augment) if self.config.augment and self.training else (x,)
