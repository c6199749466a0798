"""Parameterisations: what a network is asked for on a Gaussian path, and how both estimates follow from its output.

Each has `given(x_t)` (what the network sees), `read(out, x_t)` → Prediction, `target(x, eps)` (what the squared error compares with)
and `clock(t)` (the number that the network is told as the time). Salimans & Ho 2022 (app. D) compare ε, x and v.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ..protocols import Prediction, Schedule
from .schedules import derivatives, scales, solved, spread


class Parameterisation(Protocol):
    """t is float64 on the host, () or (n,); tensors are (n, …)."""

    def given(self, x_t: Tensor, schedule: Schedule, t: Tensor) -> Tensor: ...
    def read(self, out: Tensor, x_t: Tensor, schedule: Schedule, t: Tensor) -> Prediction: ...
    def target(self, x: Tensor, eps: Tensor, schedule: Schedule, t: Tensor) -> Tensor: ...
    def clock(self, schedule: Schedule, t: Tensor) -> Tensor: ...


class _Plain:
    """The network sees x_t as it is, and the chain's timestep (0 … T − 1), or 1000 t where there is no chain."""

    def given(self, x_t: Tensor, schedule: Schedule, t: Tensor) -> Tensor:
        return x_t

    def clock(self, schedule: Schedule, t: Tensor) -> Tensor:
        steps = getattr(schedule, "steps", 0)
        return t * steps - 1 if steps else t * 1000


class Eps(_Plain):
    """out = ε. Needs α > 0: no path that ends in pure noise."""

    def read(self, out: Tensor, x_t: Tensor, schedule: Schedule, t: Tensor) -> Prediction:
        alpha, sigma = scales(schedule, t, x_t)
        eps = out.to(x_t)
        return Prediction(solved(x_t, sigma, eps, alpha), eps)

    def target(self, x: Tensor, eps: Tensor, schedule: Schedule, t: Tensor) -> Tensor:
        return eps


class Data(_Plain):
    """out = x. Needs σ > 0 for ε, which is zero's limit at t = 0."""

    def read(self, out: Tensor, x_t: Tensor, schedule: Schedule, t: Tensor) -> Prediction:
        alpha, sigma = scales(schedule, t, x_t)
        x = out.to(x_t)
        return Prediction(x, solved(x_t, alpha, x, sigma))

    def target(self, x: Tensor, eps: Tensor, schedule: Schedule, t: Tensor) -> Tensor:
        return x


class V(_Plain):
    """out = α ε − σ x on a path with α² + σ² = 1 (Salimans & Ho 2022); elsewhere both are divided by √(α² + σ²)."""

    def read(self, out: Tensor, x_t: Tensor, schedule: Schedule, t: Tensor) -> Prediction:
        alpha, sigma = scales(schedule, t, x_t)
        v, square = out.to(x_t), alpha**2 + sigma**2
        norm = square**0.5
        return Prediction((alpha * x_t - sigma * norm * v) / square, (sigma * x_t + alpha * norm * v) / square)

    def target(self, x: Tensor, eps: Tensor, schedule: Schedule, t: Tensor) -> Tensor:
        alpha, sigma = scales(schedule, t, x)
        return (alpha * eps - sigma * x) / (alpha**2 + sigma**2) ** 0.5


class Velocity(_Plain):
    """out = dx_t/dt = α' x + σ' ε (Lipman et al. 2023); on the rectified path ε − x. With D = α σ' − σ α':
    x = (σ' x_t − σ u) / D and ε = (α u − α' x_t) / D."""

    def read(self, out: Tensor, x_t: Tensor, schedule: Schedule, t: Tensor) -> Prediction:
        alpha, sigma = scales(schedule, t, x_t)
        d_alpha, d_sigma = self._slopes(schedule, t, x_t)
        u, det = out.to(x_t), alpha * d_sigma - sigma * d_alpha
        return Prediction((d_sigma * x_t - sigma * u) / det, (alpha * u - d_alpha * x_t) / det)

    def target(self, x: Tensor, eps: Tensor, schedule: Schedule, t: Tensor) -> Tensor:
        d_alpha, d_sigma = self._slopes(schedule, t, x)
        return d_alpha * x + d_sigma * eps

    @staticmethod
    def _slopes(schedule: Schedule, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        return spread(derivatives(schedule, t), t, like)


class Score(_Plain):
    """σ times the score, σ ∇ log p(x_t) = −ε: the weighting of Song et al. 2021 (eq. 7), under which no noise level dominates."""

    def read(self, out: Tensor, x_t: Tensor, schedule: Schedule, t: Tensor) -> Prediction:
        return Eps().read(-out, x_t, schedule, t)

    def target(self, x: Tensor, eps: Tensor, schedule: Schedule, t: Tensor) -> Tensor:
        return -eps


class EDM:
    """The preconditioning of Karras et al. 2022 (table 1), for x_t / α with noise level s = σ/α and data of deviation `data`:
    x = c_skip x_t/α + c_out out, c_skip = d²/(s² + d²), c_out = s d/√(s² + d²), c_in = 1/√(s² + d²), clock 250 ln s."""

    def __init__(self, data: float = 0.5) -> None:
        self.data = data

    def _level(self, schedule: Schedule, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        alpha, sigma = scales(schedule, t, like)
        level = sigma / alpha
        return alpha, level, (level**2 + self.data**2) ** 0.5

    def given(self, x_t: Tensor, schedule: Schedule, t: Tensor) -> Tensor:
        alpha, _, norm = self._level(schedule, t, x_t)
        return x_t / (alpha * norm)

    def read(self, out: Tensor, x_t: Tensor, schedule: Schedule, t: Tensor) -> Prediction:
        alpha, level, norm = self._level(schedule, t, x_t)
        out, clean = out.to(x_t), x_t / alpha
        x = (self.data / norm) ** 2 * clean + level * self.data / norm * out
        # (x_t/α − x) / s without dividing by s, which is zero at t = 0
        return Prediction(x, level / norm**2 * clean - self.data / norm * out)

    def target(self, x: Tensor, eps: Tensor, schedule: Schedule, t: Tensor) -> Tensor:
        _, level, norm = self._level(schedule, t, x)
        # (x − c_skip (x + s ε)) / c_out, simplified so that it is finite at s = 0
        return (level * x - self.data**2 * eps) / (self.data * norm)

    def clock(self, schedule: Schedule, t: Tensor) -> Tensor:
        alpha, sigma = schedule(t)
        return 250 * (sigma / alpha).clamp(min=1e-12).log()


PARAMETERISATIONS = {"eps": Eps, "x": Data, "v": V, "velocity": Velocity, "score": Score, "edm": EDM}


def noised(x: Tensor, schedule: Schedule, t: Tensor) -> tuple[Tensor, Tensor]:
    """(x_t, ε) for times t (n,), with ε from torch's generator."""
    alpha, sigma = scales(schedule, t, x)
    eps = torch.randn_like(x)
    return alpha * x + sigma * eps, eps
