"""Augmentation that does not leak into the samples: the network is told what was done to an image, and in sampling that nothing was.

Its changes and strengths are those of Karras et al. 2022, "Elucidating the design space of diffusion-based generative models", app. F.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gentk.data.warping import mirrored, shifted, stretched, turned, warped

TOLD = 9
"""Numbers that say what was done; all are 0 where nothing was."""
SPREAD = 0.2  # of log2 of a zoom or a stretch
REACH = 0.125  # of a shift, in sides


def augmented(x: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Images x (n, C, H, W), each change made to a `share` of them, and what was done (n, TOLD). Mirrored left to right are half."""
    n, height, width = len(x), *x.shape[-2:]

    def drawn(values: Tensor, how_often: float = share) -> Tensor:
        return torch.where(torch.rand(n) < how_often, values.double(), 0.0)

    across, down = drawn(torch.ones(n), 0.5), drawn(torch.ones(n))
    zoom, stretch = drawn(SPREAD * torch.randn(n)), drawn(SPREAD * torch.randn(n))
    angle, axis = drawn((2 * torch.rand(n) - 1) * math.pi), (2 * torch.rand(n) - 1) * math.pi
    moved = torch.rand(n) < share
    right, below = (torch.where(moved, (REACH * side * torch.randn(n).double()).round(), 0.0) for side in (width, height))
    matrix = (
        shifted(right, below)
        @ (turned(axis) @ stretched(2.0**stretch, 2.0**-stretch) @ turned(-axis))
        @ turned(angle)
        @ stretched(2.0**zoom, 2.0**zoom)
        @ mirrored(down > 0, up_and_down=True)
        @ mirrored(across > 0)
    )
    axes = (stretch * (2 * axis).cos(), stretch * (2 * axis).sin())  # an axis has no direction: half a turn is the same
    told = [across, down, zoom, angle.cos() - 1, angle.sin(), *axes, right / width, below / height]
    return warped(x, matrix[:, :2]), torch.stack(told, -1).to(x)
