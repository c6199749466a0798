"""Schedules: t → (α, σ) in float64 on the host. Both ends are exact: σ(0) = 0 and, where the path says so, α(1) = 0.

They are plain objects, so that `.to()`, `.half()` and the meta device leave them alone; tables name their device for the same reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..protocols import Schedule

_HOST: Any = {"dtype": torch.float64, "device": "cpu"}
MAX_STEPS = 1_000_000
"""Of a table: it is made on the host as soon as somebody's config names it."""


Call = Callable[[Any, Tensor], tuple[Tensor, Tensor]]


def remembered(call: Call) -> Call:
    """For a schedule's `__call__`: single times are known again. A sampler and its network ask for the same few at every step, and
    small operations on the host are what a sampler's own time goes into."""

    @wraps(call)
    def known(self: Any, t: Tensor) -> tuple[Tensor, Tensor]:
        if t.ndim or t.requires_grad or t.dtype != torch.float64:
            return call(self, t)
        answers, key = self.__dict__.setdefault("_answers", {}), float(t)
        answer: tuple[Tensor, Tensor] | None = answers.get(key)
        if answer is None:
            if len(answers) >= 4096:
                answers.clear()
            answer = answers[key] = call(self, t)
        return answer

    return known


def counted(steps: int) -> int:
    """A table's length. Raises ValueError."""
    if type(steps) is not int or not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"steps must be a whole number from 1 to {MAX_STEPS}, got {steps!r}")
    return steps


class BetaTable:
    """The discrete chain of Ho et al. 2020 (eq. 4): ᾱ_i = ∏ (1 − β_j), read at t = i / T with log ᾱ linear in between.

    The network is asked at t = 1/T … 1, which are the chain's timesteps 0 … T − 1. Raises ValueError for betas outside [0, 1).
    """

    def __init__(self, betas: Sequence[float] | Tensor) -> None:
        table = torch.as_tensor(betas, **_HOST)
        if table.ndim != 1 or not len(table) or not bool(((table >= 0) & (table < 1)).all()):
            raise ValueError("betas must be a list of numbers in [0, 1)")
        self.steps = len(table)
        self._log_alpha = torch.cat([torch.zeros(1, **_HOST), torch.log1p(-table).cumsum(0) / 2])

    @remembered
    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        place = t * self.steps
        # Times are i/T in double precision: i/T·T may miss i by one ulp, and a table's own points must be hit exactly.
        missed = (place.round() - place).detach()
        place = place + torch.where(missed.abs() < 1e-9, missed, 0.0)
        low = place.detach().floor().long().clamp(0, self.steps - 1)
        share = place - low
        log_alpha = (1 - share) * self._log_alpha[low] + share * self._log_alpha[low + 1]
        return log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()

    def inverse(self, log_snr: Tensor) -> Tensor:
        log_alpha = 0.5 * torch.nn.functional.logsigmoid(2 * log_snr.double())
        place = np.interp(-log_alpha.numpy(), -self._log_alpha.numpy(), np.arange(self.steps + 1))
        return torch.as_tensor(place / self.steps, **_HOST).reshape(log_snr.shape)


class LinearBeta(BetaTable):
    """β from `low` to `high` in `steps` equal steps (Ho et al. 2020, §4)."""

    def __init__(self, steps: int = 1000, low: float = 1e-4, high: float = 2e-2) -> None:
        super().__init__(torch.linspace(low, high, counted(steps), **_HOST))


class ScaledLinearBeta(BetaTable):
    """√β from √`low` to √`high` in equal steps (Rombach et al. 2022: Stable Diffusion's)."""

    def __init__(self, steps: int = 1000, low: float = 8.5e-4, high: float = 1.2e-2) -> None:
        super().__init__(torch.linspace(math.sqrt(low), math.sqrt(high), counted(steps), **_HOST).square())


class Cosine:
    """α = cos(π/2 · (t + s)/(1 + s)) / cos(π/2 · s/(1 + s)), σ² = 1 − α² (Nichol & Dhariwal 2021, eq. 17, with s = `offset`).

    With offset 0 it is the quarter circle α = cos, σ = sin, smooth at both ends.
    """

    def __init__(self, offset: float = 0.0) -> None:
        if offset < 0:
            raise ValueError("the offset of a cosine schedule is not negative")
        self.offset = offset
        self._top = math.cos(math.pi / 2 * offset / (1 + offset))

    @remembered
    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        angle = math.pi / 2 * (t + self.offset) / (1 + self.offset)
        alpha = angle.cos() / self._top
        alpha = alpha - torch.where(t >= 1, alpha, 0.0).detach()  # exactly 0, with the slope that it has
        if self.offset == 0:
            return alpha, angle.sin()
        return alpha, (1 - alpha.square()).clamp(min=0).sqrt()

    def inverse(self, log_snr: Tensor) -> Tensor:
        if self.offset == 0:  # the arc cosine below would lose half the digits near t = 0
            return torch.atan(torch.exp(-log_snr.double())) * 2 / math.pi
        alpha = torch.sigmoid(2 * log_snr.double()).sqrt()
        return torch.acos(alpha * self._top) * 2 / math.pi * (1 + self.offset) - self.offset


class Sigmoid:
    """α² = (s(b) − s(a + (b − a) t)) / (s(b) − s(a)) with s the logistic function at temperature τ (Jabri et al. 2022, alg. 2)."""

    def __init__(self, start: float = -3.0, end: float = 3.0, tau: float = 1.0) -> None:
        if not (end > start and tau > 0):
            raise ValueError("a sigmoid schedule needs start < end and tau > 0")
        self.start, self.end, self.tau = start, end, tau
        self._low, self._high = (1 / (1 + math.exp(-v / tau)) for v in (start, end))

    @remembered
    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        here = torch.sigmoid((self.start + (self.end - self.start) * t) / self.tau)
        square = ((self._high - here) / (self._high - self._low)).clamp(0, 1)
        square = torch.where(t <= 0, 1.0, torch.where(t >= 1, 0.0, square))
        return square.sqrt(), (1 - square).sqrt()

    def inverse(self, log_snr: Tensor) -> Tensor:
        square = torch.sigmoid(2 * log_snr.double())
        here = self._high - square * (self._high - self._low)
        return (torch.logit(here) * self.tau - self.start) / (self.end - self.start)


class Rectified:
    """α = 1 − t, σ = t: straight lines from data to noise (Liu et al. 2023, Lipman et al. 2023)."""

    @remembered
    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return 1 - t, t

    def inverse(self, log_snr: Tensor) -> Tensor:
        return torch.sigmoid(-log_snr.double())


class Karras:
    """α = 1, σ = `sigma_max` · t: variance exploding, the path of EDM (Karras et al. 2022)."""

    def __init__(self, sigma_max: float = 80.0) -> None:
        if sigma_max <= 0:
            raise ValueError("sigma_max must be positive")
        self.sigma_max = sigma_max

    @remembered
    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(t), t * self.sigma_max

    def inverse(self, log_snr: Tensor) -> Tensor:
        return torch.exp(-log_snr.double()) / self.sigma_max


class ZeroTerminal:
    """Another path moved so that it ends in pure noise: α(1) = 0, its first α kept, σ² = 1 − α² (Lin et al. 2024, alg. 1).

    `schedule`: linear, scaled-linear, betas, cosine or sigmoid, built with `options`; or a schedule with α² + σ² = 1. The network must
    predict v or x there: ε says nothing about x at pure noise.
    """

    def __init__(self, schedule: str | Schedule = "linear", options: Mapping[str, Any] = {}) -> None:
        known: dict[str, Any] = {
            "linear": LinearBeta,
            "scaled-linear": ScaledLinearBeta,
            "betas": BetaTable,
            "cosine": Cosine,
            "sigmoid": Sigmoid,
        }
        if isinstance(schedule, str):
            if schedule not in known:
                raise ValueError(f"zero-terminal takes {', '.join(known)}, got '{schedule}'")
            self.inner: Schedule = known[schedule](**options)
        else:
            self.inner = schedule
        self.steps: int = getattr(self.inner, "steps", 0)
        self._first = 1 / self.steps if self.steps else 0.0  # where α is kept; between there and the data nothing moves
        self._kept, self._last = at(self.inner, self._first)[0], at(self.inner, 1.0)[0]

    @remembered
    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        alpha, sigma = self.inner(t)
        moved = (alpha - self._last) * (self._kept / (self._kept - self._last))
        early = t <= self._first
        alpha = torch.where(early, alpha, moved)
        return alpha, torch.where(early, sigma, (1 - moved.square()).clamp(min=1e-300).sqrt())

    def inverse(self, log_snr: Tensor) -> Tensor:
        alpha = torch.sigmoid(2 * log_snr.double()).sqrt()
        unmoved = alpha * ((self._kept - self._last) / self._kept) + self._last
        inner = unmoved.log() - torch.log1p(-unmoved.square()) / 2
        return self.inner.inverse(torch.where(alpha >= self._kept, log_snr.double(), inner))


def clock(t: float) -> Tensor:
    """A time as schedules take it: () float64 on the host, also under `torch.device("meta")`."""
    return torch.tensor(t, **_HOST)


def at(schedule: Schedule, t: float) -> tuple[float, float]:
    """(α, σ) at one time, as numbers."""
    alpha, sigma = schedule(clock(t))
    return float(alpha), float(sigma)


def when(schedule: Schedule, level: float) -> float:
    """The time whose noise level σ/α is `level`."""
    return float(schedule.inverse(clock(-math.log(level))))


def scales(schedule: Schedule, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """(α, σ) for a state `like` (n, …): on its device and in its dtype, broadcast over its trailing dimensions.

    A 0-dim host scalar multiplies a tensor on any device without a copy and without promoting it, so it stays as it is.
    """
    pair = schedule(t)
    return pair if t.ndim == 0 else spread(pair, t, like)


def spread(pair: tuple[Tensor, Tensor], t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Two functions of t (their slopes, say), crossed over as `scales` does."""
    if t.ndim == 0:
        return pair
    view = t.shape + (1,) * (like.ndim - t.ndim)
    return crossed(pair[0], like).view(view), crossed(pair[1], like).view(view)


def crossed(t: Tensor, like: Tensor) -> Tensor:
    """t on the device of `like`, in its dtype; the host does not wait until it is there."""
    return t.to(like, non_blocking=like.device.type == "cuda")


def solved(x_t: Tensor, a: Tensor, y: Tensor, b: Tensor) -> Tensor:
    """The z of x_t = a y + b z; two passes over the memory where a and b are single numbers."""
    if a.ndim or b.ndim:
        return (x_t - a * y) / b
    share = b.item()
    return torch.sub(x_t, y, alpha=a.item()).mul_(1 / share if share else math.inf)  # to divide would take twice as long


def rows(t: Tensor, like: Tensor) -> Tensor:
    """t as a network wants it: one value per row of `like` (n, …), on its device, in its dtype. A time per frame stays (n, T)."""
    return crossed(t, like).expand(len(like)) if t.ndim == 0 else crossed(t, like)


def derivatives(schedule: Schedule, t: Tensor) -> tuple[Tensor, Tensor]:
    """(dα/dt, dσ/dt) at t, of t's shape."""
    with torch.enable_grad():
        free = t.detach().clone().requires_grad_(True)
        slopes = []
        for value in schedule(free):
            if not value.requires_grad:  # a constant, as α of the Karras path
                slopes.append(torch.zeros_like(t))
                continue
            slope = torch.autograd.grad(value.sum(), free, retain_graph=True, allow_unused=True)[0]
            slopes.append(torch.zeros_like(t) if slope is None else slope)
    return slopes[0], slopes[1]
