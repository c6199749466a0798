"""What an autoregression says of values that are missing: a Kalman filter and smoother whose state is the last p values.

Harvey 1989 (the filter, with gaps); Durbin and Koopman 2002, "A simple and efficient simulation smoother" (the draws).
"""

from __future__ import annotations

import torch
from torch import Tensor


def companion(coefficients: Tensor) -> Tensor:
    """(D, p) → (D, p, p): moves (x_t … x_{t−p+1}) one step on, without the noise."""
    channels, order = coefficients.shape
    matrix = torch.zeros(channels, order, order, dtype=coefficients.dtype, device=coefficients.device)
    matrix[:, 0] = coefficients
    matrix[:, 1:, :-1] += torch.eye(order - 1, dtype=coefficients.dtype, device=coefficients.device)
    return matrix


def stationary_covariance(coefficients: Tensor, variance: Tensor) -> Tensor:
    """The covariance of p steps in a row: (p,), () → (p, p). Solves P = F P Fᵀ + Q by doubling (Anderson 1978)."""
    move = companion(coefficients[None])[0]
    covariance = torch.zeros_like(move)
    covariance[0, 0] = variance
    while move.abs().max() > 1e-300:
        grown = covariance + move @ covariance @ move.mT
        if bool((grown == covariance).all()):
            break
        covariance, move = grown, move @ move
    return (covariance + covariance.mT) / 2


def least_squares(square: Tensor, cross: Tensor) -> tuple[Tensor, Tensor]:
    """The solutions (D, m) of square · a = cross, and the inverses (D, m, m), of symmetric matrices with ones on their diagonals.

    Where directions are missing (a constant series, an exact line or period), the solution of the smallest norm, and the inverse on the
    other directions.
    """
    root, failed = torch.linalg.cholesky_ex(square)
    noise = square.shape[-1] * torch.finfo(square.dtype).eps  # what rounding makes of an eigenvalue that is 0
    if not bool(failed.any()) and bool((root.diagonal(dim1=-2, dim2=-1).square() > 100 * noise).all()):
        return torch.cholesky_solve(cross[..., None], root)[..., 0], torch.cholesky_inverse(root)
    values, vectors = torch.linalg.eigh(square)
    there = values > 10 * noise * values.amax(-1, keepdim=True)
    inverse = (vectors * torch.where(there, 1 / values, 0.0)[..., None, :]) @ vectors.mT
    return (inverse @ cross[..., None])[..., 0], inverse


def square_root(covariance: Tensor) -> Tensor:
    """R with R Rᵀ the covariance (…, m, m), also where it has directions without variance."""
    root: Tensor
    root, failed = torch.linalg.cholesky_ex(covariance)
    if not bool(failed.any()):
        return root
    values, vectors = torch.linalg.eigh(covariance)
    found: Tensor = vectors * values.clamp(min=0).sqrt()[..., None, :]
    return found


def simulated(
    x: Tensor, seen: Tensor, level: Tensor, coefficients: Tensor, variance: Tensor, mean: Tensor, covariance: Tensor, z: Tensor
) -> Tensor:
    """A draw of x_t = level_t + Σ φᵢ x_{t−i} + σ ε_t given the values that are seen, (n, T, D); affine in z, and the mean where z = 0.

    x, seen (n, T, D); level (T, D); coefficients (D, p); variance (D,); mean (D, p) and covariance (D, p, p) of the values before the
    first, the latest first; z (n, p + T, D) standard normal. A free run of the process is corrected by what the seen values say of its
    error: E[x | seen] + (run − E[run | its seen values]).
    """
    order = coefficients.shape[1]
    root = square_root(covariance)
    state = mean + torch.einsum("dij,njd->ndi", root, z[:, :order])  # (n, D, p)
    run = []
    for t in range(x.shape[1]):
        new = level[t] + (state * coefficients).sum(-1) + variance.sqrt() * z[:, order + t]
        state = torch.cat([new[..., None], state[..., :-1]], -1)
        run.append(new)
    free = torch.stack(run, 1)
    return free + smoothed((x - free) * seen, seen, coefficients, variance, covariance)


def smoothed(x: Tensor, seen: Tensor, coefficients: Tensor, variance: Tensor, covariance: Tensor) -> Tensor:
    """E[x | seen] of the process without level, (n, T, D). Where x is seen, it is x."""
    move, order = companion(coefficients), coefficients.shape[1]
    state = torch.zeros(*x.shape[::2], order, dtype=x.dtype, device=x.device)  # (n, D, p)
    spread = covariance.expand(len(x), -1, -1, -1)
    kept = []
    for t in range(x.shape[1]):  # forwards: what each step is expected to be, given those before it
        state = (move @ state[..., None])[..., 0]
        spread = move @ spread @ move.mT
        spread[..., 0, 0] += variance
        column, here = spread[..., 0], seen[:, t].double()
        size, error = column[..., 0], (x[:, t] - state[..., 0]) * here
        gain = column * (here / size)[..., None]
        kept.append((state[..., 0], column, size, error, gain))
        state = state + gain * error[..., None]
        spread = spread - gain[..., None] * column[..., None, :]
        spread = (spread + spread.mT) / 2
    weight = torch.zeros_like(state)
    found = []
    for expected, column, size, error, gain in reversed(kept):  # backwards: what the later ones add
        weight = (move.mT @ weight[..., None])[..., 0]
        weight = weight.clone()
        weight[..., 0] += error / size - (gain * weight).sum(-1)
        found.append(expected + (column * weight).sum(-1))
    return torch.stack(found[::-1], 1)
