"""Expectation and maximisation of one mixture of Gaussians (Dempster, Laird & Rubin 1977), with or without a conjugate prior.

The squares are taken of white numbers, Uᵀ(x − μ) under the parameters before: centred, of size one, and there already from the density.
So the sums cancel neither far from the origin nor between components far apart, which lets a chunk be computed in float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .gaussians import Kind, log_normal

FAINT = -80.0  # log of the least responsibility: no sum notices it, and with 0 or float32's smallest numbers computers are slow


class Mixture(NamedTuple):
    """Σ_k weight_k N(x; mean_k, Σ_k): (K,), (K, d), and the root of each precision."""

    weights: Tensor
    means: Tensor
    root: Tensor


class Sums(NamedTuple):
    """Over examples, weighted by each component's responsibility r: of r, of r y and of r y yᵀ, y the white numbers. float64."""

    weight: Tensor  # (K,)
    first: Tensor  # (K, d)
    second: Tensor  # (K, …)
    log_likelihood: Tensor  # ()
    examples: Tensor  # ()


@dataclass(frozen=True)
class Prior:
    """Dirichlet(α) over the weights, normal-inverse-Wishart over each mean and covariance: μ | Σ ~ N(centre, Σ/κ), Σ ~ IW(scale, ν).

    Along the axes (and of a ball) the variances are inverse gamma, IG(ν/2, scale/2). Fraley & Raftery 2007, "Bayesian regularization for
    normal mixture estimation and model-based clustering", whose κ = 0.01, ν = d + 2 and scale = S / K^(2/d) are the defaults.
    """

    alpha: float
    kappa: float
    nu: float
    centre: Tensor  # (d,)
    scale: Tensor  # in the shape of a root

    def weights(self, count: Tensor) -> Tensor:
        """(n_k + α − 1) / Σ (n_j + α − 1)."""
        more = count + self.alpha - 1
        return more / more.sum()

    def log_density(self, kind: Kind, mixture: Mixture) -> Tensor:
        """log p(parameters) up to a constant: what a pass adds to the log-likelihood so that their sum never falls."""
        d = mixture.means.shape[1]
        apart = kind.squares(mixture.means - self.centre)
        log_det = -2 * kind.log_det(mixture.root, d) / kind.numbers(d)
        shape = (self.nu + kind.freedom(d)) * log_det + kind.inner(mixture.root, self.scale + self.kappa * apart)
        weights = torch.xlogy(torch.full_like(mixture.weights, self.alpha - 1), mixture.weights)
        return weights.sum() - 0.5 * shape.sum()


def log_joint(kind: Kind, mixture: Mixture, x: Tensor, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """log weight_k N(x; mean_k, Σ_k), (K, n), and the white numbers (K, n, d), in `dtype`. x (n, d) float64."""
    shift = mixture.means.mean(0)
    means, root = (mixture.means - shift).to(dtype), mixture.root.to(dtype)
    white = kind.white((x - shift).to(dtype), means, root)
    log_det = (mixture.weights.log() + kind.log_det(mixture.root, x.shape[1])).to(dtype)
    return log_normal(white, log_det), white


def expected(kind: Kind, mixture: Mixture, x: Tensor, dtype: torch.dtype = torch.float64) -> Sums:
    """The sums over x (n, d), computed in `dtype`."""
    joint, white = log_joint(kind, mixture, x, dtype)
    highest = joint.amax(0)
    responsibility = (joint - highest).clamp_(min=FAINT).exp_()
    total = responsibility.sum(0)
    half = responsibility.div_(total).sqrt()
    white.mul_(half[..., None])
    first = torch.bmm(half[:, None], white)[:, 0]
    log_likelihood = (highest.double() + total.double().log()).sum()
    examples = torch.full((), len(x), dtype=torch.float64, device=x.device)
    return Sums(responsibility.sum(1).double(), first.double(), kind.summed(white).double(), log_likelihood, examples)


def maximised(kind: Kind, mixture: Mixture, sums: Sums, floor: float, prior: Prior | None = None) -> Mixture:
    """The parameters that fit the sums best. A component without examples keeps its mean and shape, and has the weight 0; under a prior
    it returns to the prior's mode. Raises Singular where a component has collapsed."""
    d, count = mixture.means.shape[1], sums.weight  # FAINT, but never 0
    step, square = sums.first / count[:, None], sums.second / shaped(count, sums.second)
    means = mixture.means + kind.coloured(step[:, None], mixture.root)[:, 0]
    spread = kind.squares_back(square - kind.squares(step), mixture.root)  # about the new means, per example
    floors = floor * kind.eye(d).to(spread)
    if prior is None:
        root, there = mixture.root.clone(), count > 2 * math.exp(FAINT) * sums.examples
        root[there] = kind.factor(spread[there] / kind.numbers(d) + floors)
        return Mixture(count * there / count.sum(), torch.where(there[:, None], means, mixture.means), root)
    drawn = shaped(prior.kappa * count / (prior.kappa + count), spread) * kind.squares(means - prior.centre)
    covariance = prior.scale + drawn + shaped(count, spread) * spread
    covariance = covariance / shaped(prior.nu + kind.freedom(d) + kind.numbers(d) * count, spread)
    pulled = (count[:, None] * means + prior.kappa * prior.centre) / (count + prior.kappa)[:, None]
    return Mixture(prior.weights(count), pulled, kind.factor(covariance + floors))


def shaped(values: Tensor, like: Tensor) -> Tensor:
    """(K,) with as many dimensions as `like` (K, …)."""
    return values.view(-1, *[1] * (like.ndim - 1))
