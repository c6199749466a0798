"""At which times a network on a Gaussian path is trained."""

from __future__ import annotations

import torch
from torch import Tensor

from gentk.protocols import Schedule

from .config import PathConfig


def training_times(config: PathConfig, schedule: Schedule, times: tuple[float, float], n: int) -> Tensor:
    """n times, float64 on the host, in random order. Stratified, one from each n-th part of their distribution (Kingma et al. 2021,
    app. I.1), which lowers the variance of the loss."""
    u = (torch.randperm(n) + torch.rand(n, dtype=torch.float64)) / n
    low, high = times
    if config.times == "lognormal":
        log_level = config.times_mean + config.times_std * torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6))
        return schedule.inverse(-log_level).clamp(low, high)
    if steps := getattr(schedule, "steps", 0):
        return ((u * steps).floor() + 1) / steps
    return (low + (high - low) * u).clamp(min=1e-5)
