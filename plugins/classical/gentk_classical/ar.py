"""Autoregression: each step is a line through the steps before it (Yule 1927; Box and Jenkins 1976, chapters 3, 5 and 7)."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.conditions import File
from gentk.errors import GentkError, UsageError
from gentk.protocols import Batch, DataSpec, Forecast, Noise

from .ar_gaps import companion, least_squares, simulated, stationary_covariance
from .config import ARConfig


class AR(nn.Module):
    """x_t = a + b·t + Σᵢ φᵢ x_{t−i} + σ ε_t, with t = 1 at a series' first step; each channel of (T, D) by itself.

    Conditional least squares, which is maximum likelihood given the first p steps: the normal equations of a step and its lags, summed
    in float64 over all series, around the mean that `start` saw. All state is float64 buffers: `theta` (D, k + p): a, b, φ₁ … φ_p
    (k = 0, 1, 2 of these by `trend` n, c, ct), their standard errors `errors`, `variance` σ² (D,). `history` (p, D) are the last steps
    of the first series that `start` saw and `time` () their number: what is drawn goes on from there. `mean`, `spread` (D,): the data's.
    """

    Config = ARConfig
    likelihood: Literal["exact"] = "exact"
    passes = 1
    theta: Tensor
    errors: Tensor
    variance: Tensor
    history: Tensor
    time: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, config: ARConfig, data: DataSpec) -> None:
        super().__init__()
        x = data.leaves["x"]
        if len(x.shape) != 2 or x.classes:
            raise UsageError(f"an autoregression wants series, (steps, channels) of numbers; these data are {data.modality} {x.shape}")
        self.config, self.data = config, data
        self.order, self.terms = config.order, {"n": 0, "c": 1, "ct": 2}[config.trend]
        steps, channels = x.shape
        if steps < 2 * config.order + self.terms + 1:
            raise UsageError(f"order {config.order} wants series of {2 * config.order + self.terms + 1} steps or more, these have {steps}")
        count = self.terms + config.order
        self.conditions: Mapping[str, Any] = {
            "history": File(
                help=f"The {config.order} steps to go on from, as the data are prepared; left out, the end of what it was trained on.",
                modality="series",
                shape=(config.order, channels),
                double=x.double,
            )
        }
        for name, shape, value in (
            ("theta", (channels, count), 0.0),
            ("errors", (channels, count), 0.0),
            ("variance", (channels,), 1.0),
            ("history", (config.order, channels), 0.0),
            ("time", (), 0.0),
            ("mean", (channels,), 0.0),
            ("spread", (channels,), 1.0),
        ):
            self.register_buffer(name, torch.full(shape, value, dtype=torch.float64))

    # ---- the fit
    def start(self, batch: Batch) -> None:
        """White noise around the mean, and where the first of these series ends."""
        x, length = self._series(batch)
        inside = (torch.arange(x.shape[1], device=x.device) < length[:, None])[..., None].double()
        self.mean.copy_((x * inside).sum((0, 1)) / inside.sum())
        self.spread.copy_(((x - self.mean).square() * inside).sum((0, 1)) / inside.sum())
        self.spread.clamp_(min=torch.finfo(torch.float64).tiny)
        if self.terms:
            self.theta[:, 0] = self.mean
        self.variance.copy_(self.spread if self.terms else self.spread + self.mean.square())
        self.history.copy_(self._last(x[:1], length[:1])[0])
        self.time.fill_(float(length[0]))

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Sums over steps that have p before them: of z zᵀ, where z are the centred terms, lags and the step itself, (D, k+p+1, k+p+1)."""
        x, length = self._series(batch)
        lagged = self._lagged(x - self._shift())
        counts, times = self._counted(x, length), torch.arange(self.order, x.shape[1], device=x.device).double()
        ones = counts[..., None, None].expand(*lagged.shape[:3], 1)
        centred = (times + 1 - self._centre()) / self._centre()
        terms = [ones, ones * centred[None, :, None, None]][: self.terms]
        z = torch.cat([*terms, lagged[..., 1:] * ones, lagged[..., :1] * ones], -1)
        size = torch.tensor(float(len(x)), dtype=torch.float64, device=x.device)
        return {"moments": torch.einsum("ntdi,ntdj->dij", z, z), "steps": counts.sum(), "examples": size}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        """The least squares fit. "log_likelihood" is that of the parameters before it: of white noise, as `start` left them."""
        moments, steps = stats["moments"], float(stats["steps"])
        before = self._log_likelihood(moments, steps) / float(stats["examples"])
        size = self.terms + self.order
        if steps <= size:
            raise GentkError(f"{steps:.0f} steps with {self.order} before them do not fix {size} parameters: lower model.config.order")
        square, cross = moments[:, :size, :size], moments[:, :size, size:]
        scale = square.diagonal(dim1=1, dim2=2).sqrt()
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        solution, inverse = least_squares(square / (scale[:, :, None] * scale[:, None, :]), cross[..., 0] / scale)
        solution, inverse = solution / scale, inverse / (scale[:, :, None] * scale[:, None, :])
        residual = moments[:, size, size] - (solution * cross[..., 0]).sum(1)
        eps = torch.finfo(torch.float64).eps
        least = eps * moments[:, size, size] / steps + (eps * self.mean).square()  # what rounding alone leaves
        self.variance.copy_((residual / steps).maximum(least).clamp(min=torch.finfo(torch.float64).tiny))
        for d in (residual / steps <= 1e3 * least).nonzero()[:, 0].tolist():
            print(f"ar: its lags tell channel {d} exactly, so that the variance is 0: forecasts come without doubt", file=sys.stderr)
        turn, offset = self._coordinates()
        self.theta.copy_((turn @ solution[..., None])[..., 0] + offset)
        self.errors.copy_((self.variance[:, None] * (turn @ inverse @ turn.mT).diagonal(dim1=1, dim2=2)).sqrt())
        return {"log_likelihood": before}

    def _log_likelihood(self, moments: Tensor, steps: float) -> float:
        turn, offset = self._coordinates()
        centred = torch.linalg.solve(turn, (self.theta - offset)[..., None])[..., 0]
        error = torch.cat([-centred, torch.ones_like(centred[:, :1])], 1)
        residual = torch.einsum("di,dij,dj->d", error, moments, error)
        return float(-0.5 * (steps * (2 * math.pi * self.variance).log() + residual / self.variance).sum())

    def _coordinates(self) -> tuple[Tensor, Tensor]:
        """(D, m, m) and (D, m): parameters = turn · parameters of the centred data + offset."""
        shift, size = self._shift(), self.terms + self.order
        turn = torch.eye(size, dtype=torch.float64, device=shift.device).repeat(len(shift), 1, 1)
        offset = torch.zeros(len(shift), size, dtype=torch.float64, device=shift.device)
        if self.terms:
            turn[:, 0, self.terms :], offset[:, 0] = -shift[:, None], shift
        if self.terms == 2:
            turn[:, 0, 1], turn[:, 1, 1] = -1.0, 1 / self._centre()
        return turn, offset

    def _shift(self) -> Tensor:
        """Around what the sums are taken. Without a constant the origin is fixed, and data far from it cost digits."""
        return self.mean if self.terms else torch.zeros_like(self.mean)

    def _centre(self) -> float:
        return self.data.shape[0] / 2

    # ---- what the parameters say
    @property
    def coefficients(self) -> Tensor:
        """φ, (D, p)."""
        return self.theta[:, self.terms :]

    def _level(self, times: Tensor) -> Tensor:
        """a + b·t: (…) → (…, D)."""
        level = torch.zeros(*times.shape, len(self.mean), dtype=torch.float64, device=self.mean.device)
        if self.terms:
            level = level + self.theta[:, 0]
        return level + times[..., None] * self.theta[:, 1] if self.terms == 2 else level

    @property
    def stationary(self) -> Tensor:
        """Whether the past is forgotten, (D,): every eigenvalue of the companion matrix lies inside the unit circle."""
        inside: Tensor = torch.linalg.eigvals(companion(self.coefficients)).abs().amax(1) < 1 - 1e-6
        return inside

    def facts(self) -> dict[str, Any]:
        """Per channel: the parameters with their standard errors, σ, the roots of 1 − φ₁z − … − φ_p z^p (modulus, period in steps).

        The process is stationary where all roots lie outside the unit circle; a root near it with a period is a lasting season.
        """
        names = [*("a", "b")[: self.terms], *(f"phi{i + 1}" for i in range(self.order))]
        channels = []
        for d in range(len(self.mean)):
            values, errors = self.theta[d].tolist(), self.errors[d].tolist()
            eigenvalues = torch.linalg.eigvals(companion(self.coefficients[d : d + 1]))[0]
            roots = [(1 / abs(e), abs(2 * math.pi / a) if (a := math.atan2(e.imag, e.real)) else None) for e in eigenvalues.tolist() if e]
            channels.append(
                {
                    "parameters": dict(zip(names, values, strict=True)),
                    "standard_errors": dict(zip(names, errors, strict=True)),
                    "sigma": float(self.variance[d].sqrt()),
                    "stationary": bool(self.stationary[d]),
                    "roots": [{"modulus": m, "period": p} for m, p in sorted(roots, key=lambda root: root[0])],
                }
            )
        return {"order": self.order, "trend": self.config.trend, "channels": channels}

    # ---- what it can do
    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        """log p(x_{p+1} … x_T | x_1 … x_p), exact: (n,)."""
        x, length = self._series(batch)
        density = -0.5 * ((2 * math.pi * self.variance).log() + (x[:, self.order :] - self._means(x)).square() / self.variance)
        total: Tensor = (density.sum(2) * self._counted(x, length)).sum(1)
        return total

    def fitted(self, batch: Batch) -> Tensor:
        x, length = self._series(batch)
        means = self._means(x).masked_fill(self._counted(x, length)[..., None] == 0, math.nan)
        return torch.cat([torch.full_like(x[:, : self.order], math.nan), means], 1)

    def forecast(self, batch: Batch, steps: int) -> Forecast:
        """Box and Jenkins' (5.1.16): the variance of step h is σ² Σ_{j<h} ψ_j², with ψ the answer to a shock of 1. Parameters are taken
        as known. Raises UsageError where a series has fewer than p steps."""
        x, length = self._series(batch)
        times = length[:, None] + torch.arange(1, steps + 1, device=x.device)
        mean = self._recur(self._last(x, length), self._level(times.double()))
        shock = torch.zeros(1, steps, x.shape[2], dtype=torch.float64, device=x.device)
        shock[:, 0] = 1
        psi = self._recur(torch.zeros_like(self.history)[None], shock)
        return Forecast(mean, (self.variance * psi.square().cumsum(1)).sqrt().expand_as(mean).clone())

    def draw(self, n: int, noise: Noise, cond: Batch) -> Batch:
        """T steps that go on from the condition `history` (n, p, D), or from the end of the training series."""
        steps, channels = self.data.shape
        past = cond["history"].double() if "history" in cond else self.history.expand(n, -1, -1)
        level = self._level(self.time + torch.arange(1, steps + 1, device=past.device))
        x = self._recur(past, level + self.variance.sqrt() * noise.normal(steps, channels).double())
        told = {"length": torch.full((n,), steps, device=x.device)} if "length" in self.data.leaves else {}
        if self.data.leaves["x"].clock:  # they go on where the training series ends, or where nobody said that a history does
            told["time"] = torch.full((n,), -1 if "history" in cond else int(self.time), device=x.device)
        return {"x": x, **told}

    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:
        """Draws from p(unknown | known), exact under the process; padding stays as it is.

        The p values before a series are stationary where the process is, else normal around the training data's mean with their variance.
        """
        x, length = self._series(batch)
        inside = (torch.arange(x.shape[1], device=x.device) < length[:, None])[..., None]
        seen = known & inside
        z = noise.normal(self.order + x.shape[1], x.shape[2]).double()
        level = self._level(torch.arange(1, x.shape[1] + 1, device=x.device).double())
        before, covariance = self._before()
        drawn = simulated(x.where(seen, torch.zeros_like(x)), seen, level, self.coefficients, self.variance, before, covariance, z)
        return drawn.where(inside & ~known, x)

    # ---- the arithmetic they share
    def _series(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """x (n, T, D) float64 and how many of its steps count, (n,)."""
        x = batch["x"].double()
        return x, batch["length"].to(x.device) if "length" in batch else torch.full((len(x),), x.shape[1], device=x.device)

    def _lagged(self, x: Tensor) -> Tensor:
        """(n, T, D) → (n, T − p, D, p + 1): x_t, x_{t−1} … x_{t−p}."""
        return x.unfold(1, self.order + 1, 1).flip(-1)

    def _counted(self, x: Tensor, length: Tensor) -> Tensor:
        """(n, T − p): 1 for a step inside its series, 0 behind it."""
        return (torch.arange(self.order, x.shape[1], device=x.device) < length[:, None]).double()

    def _means(self, x: Tensor) -> Tensor:
        """Each step's mean given those before it, (n, T − p, D)."""
        times = torch.arange(self.order + 1, x.shape[1] + 1, device=x.device).double()
        return self._level(times) + torch.einsum("ntdi,di->ntd", self._lagged(x)[..., 1:], self.coefficients)

    def _last(self, x: Tensor, length: Tensor) -> Tensor:
        """The last p steps of each series, (n, p, D)."""
        if int(length.min()) < self.order:
            raise UsageError(f"a series of {int(length.min())} steps is too short: order {self.order} wants that many")
        rows = length[:, None] - self.order + torch.arange(self.order, device=x.device)
        return x.gather(1, rows[..., None].expand(-1, -1, x.shape[2]))

    def _recur(self, past: Tensor, drive: Tensor) -> Tensor:
        """x_t = drive_t + Σ φᵢ x_{t−i} from `past` (n, p, D) on: drive (n or 1, steps, D) → (n, steps, D)."""
        weights = self.coefficients.flip(1).T  # as `past`: the oldest first
        steps = []
        for t in range(drive.shape[-2]):
            steps.append((past * weights).sum(1) + drive[..., t, :])
            past = torch.cat([past[:, 1:], steps[-1][:, None]], 1)
        return torch.stack(steps, 1)

    def _before(self) -> tuple[Tensor, Tensor]:
        """Mean (D, p) and covariance (D, p, p) of the p values before a series, the latest first."""
        phi, times = self.coefficients, -torch.arange(self.order, dtype=torch.float64, device=self.mean.device)
        means, covariances = [], []
        for d, stationary in enumerate(self.stationary.tolist()):
            if stationary:  # the line α + β t that the process moves around
                rest = 1 - phi[d].sum()
                slope = (self.theta[d, 1] if self.terms == 2 else 0.0) / rest
                lags = torch.arange(1, self.order + 1, device=phi.device)
                start = ((self.theta[d, 0] if self.terms else 0.0) - slope * (lags * phi[d]).sum()) / rest
                means.append(start + slope * times)
                covariances.append(stationary_covariance(phi[d], self.variance[d]))
            else:
                means.append(self.mean[d].expand(self.order))
                covariances.append(self.spread[d] * torch.eye(self.order, dtype=torch.float64, device=phi.device))
        return torch.stack(means), torch.stack(covariances)
