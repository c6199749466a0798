"""`ddpm-points`: points of any dimension, with or without a class."""

from __future__ import annotations

from gentk.errors import UsageError
from gentk.nets.mlp import ResidualMLP
from gentk.protocols import DataSpec

from .config import PointsConfig
from .denoising import Denoising


class DDPMPoints(Denoising):
    """Denoising diffusion with a residual MLP and a sinusoidal time."""

    Config = PointsConfig
    config: PointsConfig
    outer = ("net.first", "net.last", "net.time_embedding")

    def __init__(self, config: PointsConfig, data: DataSpec) -> None:
        if "x" not in data.leaves or len(data.shape) != 1:
            raise UsageError("ddpm-points wants points: a leaf x of the shape (d,)")
        super().__init__(config, data)
        self.net = ResidualMLP(data.shape[0], config.width, config.blocks, self.classes)
