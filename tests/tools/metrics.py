"""The arithmetic of the judges. Everything is float64; every number is to be read beside the same number between two sets of real data."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def coverage(real: Tensor, fake: Tensor, k: int = 5) -> float:
    """Share of real points whose ball holds a fake one; the ball of a real point reaches to its own k-th neighbour among the real
    (Naeem et al. 2020, "Reliable fidelity and diversity metrics"). (n, d), (m, d) → [0, 1]."""
    radius = torch.cdist(real, real).kthvalue(k + 1, dim=1).values  # the nearest of all is the point itself
    return float((torch.cdist(real, fake).amin(1) <= radius).double().mean())


def frechet(a: Tensor, b: Tensor) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½) of two sets of features (n, d): the Fréchet distance of two Gaussians, squared."""
    a, b = a.double(), b.double()
    left, right = torch.cov(a.T), torch.cov(b.T)
    # The eigenvalues of Σ₁Σ₂ are real and not negative but for rounding: it is similar to a symmetric matrix.
    root = torch.linalg.eigvals(left @ right).real.clamp(min=0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + left.trace() + right.trace() - 2 * root)


def nearest(x: Tensor, among: Tensor, *, rows: int = 250) -> Tensor:
    """Distance (n,) of each x (n, …) to the nearest of `among` (m, …)."""
    flat = among.flatten(1)
    return torch.cat([torch.cdist(part.flatten(1), flat).amin(1) for part in x.split(rows)])


def entropy(classes: Tensor, number: int) -> float:
    """Entropy of the histogram of classes, as a share of the greatest possible: 1 is a uniform histogram."""
    share = torch.bincount(classes, minlength=number).double() / len(classes)
    return float(-(share * share.clamp(min=1e-300).log()).sum() / math.log(number))


def wasserstein(a: Tensor, b: Tensor) -> float:
    """Exact W₂ between two sets of points (n, d), (m, d), each point of equal weight: the root of the least mean squared move."""
    import ot  # POT

    cost = torch.cdist(a.double(), b.double()).square().numpy()
    return math.sqrt(ot.emd2([], [], cost, numItermax=10_000_000))
