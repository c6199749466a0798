"""Images moved, turned and stretched: what augmentation is made of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def warped(images: Tensor, matrices: Tensor) -> Tensor:
    """Each image under its affine map, in the images' dtype.

    images: (n, C, H, W). matrices: (n, 2, 3), where a point goes, in pixels from the centre, x to the right and y down. Bicubic in
    between, within the values that an image has; mirrored beyond its edge. A map of whole pixels is exact up to rounding.
    """
    n, _, height, width = images.shape
    full = torch.eye(3, dtype=torch.float64).repeat(n, 1, 1)
    full[:, :2] = matrices.double().cpu()
    sides = torch.tensor([width / 2, height / 2, 1.0], dtype=torch.float64)
    back = (full.inverse() * sides / sides[:, None])[:, :2]  # F.grid_sample asks where a pixel comes from, in half sides
    a, b, c = back.to(images)[:, None, None].unbind(-1)  # (n, 1, 1, 2) each; elementwise, so that rows do not depend on each other
    x, y = ((2 * torch.arange(side).to(images) + 1) / side - 1 for side in (width, height))
    grid = a * x[:, None] + b * y[:, None, None] + c
    moved = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return moved.clamp(images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True))


def mirrored(chosen: Tensor, *, up_and_down: bool = False) -> Tensor:
    """(n, 3, 3) maps that swap left and right, or up and down, where `chosen` (n,) is true."""
    sign, same = torch.where(chosen, -1.0, 1.0), torch.ones(len(chosen))
    return stretched(same, sign) if up_and_down else stretched(sign, same)


def stretched(x: Tensor, y: Tensor) -> Tensor:
    """(n, 3, 3) maps that make width and height so many times larger: x and y (n,)."""
    return torch.diag_embed(torch.stack([x.double(), y.double(), torch.ones(len(x), dtype=torch.float64)], -1))


def turned(angle: Tensor) -> Tensor:
    """(n, 3, 3) maps that turn by an angle (n,) in radians, clockwise on the screen."""
    cos, sin, zero, one = angle.double().cos(), angle.double().sin(), torch.zeros(len(angle)).double(), torch.ones(len(angle)).double()
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1).view(-1, 3, 3)


def shifted(x: Tensor, y: Tensor) -> Tensor:
    """(n, 3, 3) maps that move by x and y (n,) pixels."""
    matrix = torch.eye(3, dtype=torch.float64).repeat(len(x), 1, 1)
    matrix[:, 0, 2], matrix[:, 1, 2] = x.double(), y.double()
    return matrix
