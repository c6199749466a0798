"""Spacings: the times between noise and data, float64 (steps + 1,), falling, the last one 0.

`linspace`, `leading` and `trailing` are equal steps of time and differ in which ends they include (Lin et al. 2024, table 2);
`karras` and `exponential` are steps of the noise level σ/α; `shift` spends more steps at high noise (Esser et al. 2024, §5.3.2).
On a table of T steps the first three land on the chain's own timesteps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..protocols import Schedule
from .schedules import at

Times = tuple[float, float]
_F64 = torch.float64


def _to_data(times: Tensor) -> Tensor:
    return torch.cat([times, torch.zeros(1, dtype=_F64)])


def _chain(schedule: Schedule, steps: int) -> int:
    length = getattr(schedule, "steps", 0)
    if length and steps > length:
        raise ValueError(f"steps is {steps}, but the schedule has {length} steps")
    return int(length)


def linspace(schedule: Schedule, times: Times, steps: int) -> Tensor:
    """Equal steps that include both ends of the chain."""
    low, high = times
    if length := _chain(schedule, steps):
        return _to_data((torch.linspace(length - 1, 0, steps, dtype=_F64).round() + 1) / length)
    if low == 0:
        return torch.linspace(high, 0, steps + 1, dtype=_F64)
    return _to_data(torch.linspace(high, low, steps, dtype=_F64))


def leading(schedule: Schedule, times: Times, steps: int) -> Tensor:
    """Equal steps from data up: the noisiest time is one step short of the end."""
    low, high = times
    if length := _chain(schedule, steps):
        return _to_data((torch.arange(steps - 1, -1, -1, dtype=_F64) * (length // steps) + 1) / length)
    first = low or (high - low) / steps / steps  # the continuous counterpart of timestep 0: small, but not data itself
    return _to_data(first + (high - first) / steps * torch.arange(steps - 1, -1, -1, dtype=_F64))


def trailing(schedule: Schedule, times: Times, steps: int) -> Tensor:
    """Equal steps from noise down: the noisiest time is the end itself."""
    low, high = times
    if length := _chain(schedule, steps):
        return _to_data((length - torch.arange(steps, dtype=_F64) * (length / steps)).round() / length)
    return _to_data(torch.linspace(high, low, steps + 1, dtype=_F64)[:-1])


def levels(schedule: Schedule, times: Times, sigma_min: float | None, sigma_max: float | None) -> tuple[float, float]:
    """(highest, lowest) noise level σ/α between the ends. Raises ValueError where an end has no finite, positive one."""
    low, high = times
    found = []
    for t, asked in ((high, sigma_max), (low, sigma_min)):
        if asked is None and t == 0:
            t = 1 / (getattr(schedule, "steps", 0) or 1000)  # where the net is defined down to t = 0, the level must still be positive
        alpha, sigma = at(schedule, t)
        if asked is None and alpha == 0:
            raise ValueError("karras and exponential spacing need a finite noise level; this path ends in pure noise: give sigma_max")
        found.append(asked if asked is not None else sigma / alpha)
    if not found[0] > found[1] > 0:
        raise ValueError(f"noise levels must fall: sigma_max is {found[0]:g}, sigma_min {found[1]:g}")
    return found[0], found[1]


def karras(
    schedule: Schedule, times: Times, steps: int, *, rho: float = 7.0, sigma_min: float | None = None, sigma_max: float | None = None
) -> Tensor:
    """Equal steps of (σ/α)^(1/ρ) (Karras et al. 2022, eq. 5)."""
    top, bottom = levels(schedule, times, sigma_min, sigma_max)
    root = torch.linspace(top ** (1 / rho), bottom ** (1 / rho), steps, dtype=_F64)
    return _to_data(schedule.inverse(-rho * root.log()))


def exponential(schedule: Schedule, times: Times, steps: int, *, sigma_min: float | None = None, sigma_max: float | None = None) -> Tensor:
    """Equal steps of log σ/α."""
    top, bottom = (torch.tensor(v, dtype=_F64).log().item() for v in levels(schedule, times, sigma_min, sigma_max))
    return _to_data(schedule.inverse(-torch.linspace(top, bottom, steps, dtype=_F64)))


def shift(schedule: Schedule, times: Times, steps: int, *, shift: float = 3.0) -> Tensor:
    """Trailing times moved towards noise: t → m t / (1 + (m − 1) t)."""
    low, high = times
    t = torch.linspace(high, low, steps + 1, dtype=_F64)[:-1]
    return _to_data(shift * t / (1 + (shift - 1) * t))


SPACINGS: dict[str, Callable[..., Tensor]] = {f.__name__: f for f in (linspace, leading, trailing, karras, exponential, shift)}
OPTIONS = {"karras": ("rho", "sigma_min", "sigma_max"), "exponential": ("sigma_min", "sigma_max"), "shift": ("shift",)}
