"""Every Gaussian path is one circle: y = x_t / √(α² + σ²) = cos θ x + sin θ ε with tan θ = σ/α.

There the probability-flow ODE is dy/dθ = −sin θ x̂ + cos θ ε̂, whatever the schedule: bounded, without a division, and exact at both
ends, θ = 0 (data) and θ = π/2 (pure noise). What solves the ODE to a tolerance, or needs its divergence, works here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import GentkError
from ..protocols import Batch, Denoiser, Schedule
from .schedules import clock, when


def angle(schedule: Schedule, t: Tensor | float) -> float:
    """θ at time t."""
    alpha, sigma = schedule(clock(float(t)))
    return math.atan2(float(sigma), float(alpha))


def slope(d: Denoiser, y: Tensor, theta: float, cond: Batch) -> Tensor:
    """dy/dθ, (n, …)."""
    cos, sin = math.cos(theta), math.sin(theta)
    log_snr = torch.tensor(math.log(max(cos, 1e-300)) - math.log(max(sin, 1e-300)), dtype=torch.float64)
    t = d.schedule.inverse(log_snr).clamp(*d.times)
    alpha, sigma = d.schedule(t)
    p = d.denoise(y * (alpha**2 + sigma**2) ** 0.5, t, cond)
    return cos * p.eps - sin * p.x


def lowest(d: Denoiser) -> float:
    """The time nearest to the data at which the network says something of both estimates."""
    steps = getattr(d.schedule, "steps", 0)
    return max(d.times[0], 1 / steps if steps else when(d.schedule, 1e-4))


def integrate(d: Denoiser, x: Tensor, t: Tensor, s: Tensor, cond: Batch, rtol: float, atol: float) -> Tensor:
    """x_s from x_t by scipy's adaptive Dormand-Prince. Raises GentkError where scipy is not installed, or gives up."""
    try:
        from scipy.integrate import solve_ivp
    except ImportError:
        raise GentkError('the sampler dopri5 needs scipy: pip install "gentk-core[ode]", or choose another sampler') from None

    def f(theta: float, y: object) -> object:
        state = torch.as_tensor(y).to(x).view_as(x)
        return slope(d, state, theta, cond).double().cpu().flatten().numpy()

    (alpha, sigma), (alpha_s, sigma_s) = d.schedule(t), d.schedule(s)
    y = (x / (alpha**2 + sigma**2) ** 0.5).double().cpu().flatten().numpy()
    found = solve_ivp(f, (angle(d.schedule, t), angle(d.schedule, s)), y, method="RK45", rtol=rtol, atol=atol)
    if not found.success:
        raise GentkError(f"dopri5 gave up: {found.message}")
    end = torch.as_tensor(found.y[:, -1]).to(x).view_as(x)
    return end * (alpha_s**2 + sigma_s**2) ** 0.5
