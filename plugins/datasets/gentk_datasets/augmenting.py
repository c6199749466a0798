"""Training images that are a little different each time they are met."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from gentk.data.warping import shifted, stretched, turned, warped

from .options import Augment

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise


def chosen_for(split: str, augment: Augment | None, *, flip: bool = False) -> Augment | None:
    """What is done to the images of a split: nothing but to those that are trained on. `flip`: the older option, which asks for it too."""
    if split != "train":
        return None
    return (augment or Augment.model_validate({})).model_copy(update={"flip": True}) if flip else augment


def augmented(images: Tensor, how: Augment | None, noise: Noise | None, *, levels: int = 256) -> Tensor:
    """Images (n, C, H, W) as `how` says, drawn from `noise`, whose row i is of images[i]. Floats lie in [-1, 1] and stay there, on
    one of the `levels` (0: anywhere); whole numbers are the levels themselves, from 0. Nothing is done without noise."""
    if how is None or noise is None:
        return images
    if how.flip:
        images = flipped(images, noise)
    if not (how.shift or how.rotate or how.zoom or how.colour):
        return images
    whole = not images.dtype.is_floating_point
    half = (levels - 1) / 2
    x = images.float() / half - 1 if whole else images
    u = 2 * noise.fork("augment").uniform(7) - 1
    if how.shift or how.rotate or how.zoom:
        x = warped(x, _matrices(x, how, u))
    if how.colour:
        x = _coloured(x, how.colour * u[:, 4:].to(x)).clamp(-1, 1)
    if not levels:
        return x
    x = ((x + 1) * half).round()
    return x.to(images.dtype) if whole else x / half - 1


def flipped(images: Tensor, noise: Noise) -> Tensor:
    """Half of the images (n, C, H, W) mirrored left to right: one uniform a row."""
    mirror = noise.uniform().to(images.device, non_blocking=True) < 0.5
    return torch.where(mirror[:, None, None, None], images.flip(-1), images)


def _matrices(x: Tensor, how: Augment, u: Tensor) -> Tensor:
    """Turned and zoomed about the centre, then moved by whole pixels, which blurs nothing. u (n, 7) in [-1, 1]."""
    height, width = x.shape[-2:]
    factor = (1 + how.zoom) ** u[:, 3]
    across, down = ((how.shift * side * u[:, i]).round() for i, side in enumerate((width, height)))
    return (shifted(across, down) @ stretched(factor, factor) @ turned(math.radians(how.rotate) * u[:, 2]))[:, :2]


def _coloured(x: Tensor, by: Tensor) -> Tensor:
    """Brightness, contrast and, of colours, saturation changed by the shares `by` (n, 3)."""
    brightness, contrast, saturation = by[:, :, None, None, None].unbind(1)
    if x.shape[1] == 3:
        grey = x.mean(1, keepdim=True)
        x = grey + (1 + saturation) * (x - grey)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (1 + contrast) * (x - mean) + brightness
