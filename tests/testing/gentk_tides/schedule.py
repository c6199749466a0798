"""A noise schedule of the plugin's own."""

from __future__ import annotations

import torch
from torch import Tensor


class Spring:
    """α = 1 − t, σ = t."""

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return 1 - t, t.clone()

    def inverse(self, log_snr: Tensor) -> Tensor:
        return torch.sigmoid(-log_snr)
