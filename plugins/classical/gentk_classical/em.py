"""Expectation and maximisation of one mixture of Gaussians (Dempster, Laird & Rubin 1977), with or without a conjugate prior.

The squares are taken of white numbers, Uᵀ(x − μ) under the parameters before: centred, of size one, and there already from the density.
So the sums cancel neither far from the origin nor between components far apart, which lets a chunk be computed in float32.

A row of a table has categories behind its numbers, independent given the component, and may lack any of both (NaN): then the density is
that of what is there, and the sums are those expected given it (Ghahramani & Jordan 1994, "Supervised learning from incomplete data").
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
    """Σ_k weight_k N(x; mean_k, Σ_k) Π_j chance_j(state | k): (K,), (K, d), the roots of the precisions, (K, states) of each category."""

    weights: Tensor
    means: Tensor
    root: Tensor
    chances: tuple[Tensor, ...] = ()


class Sums(NamedTuple):
    """Over examples, weighted by each component's responsibility r: of r, of r y and of r y yᵀ, y the white numbers. float64."""

    weight: Tensor  # (K,)
    first: Tensor  # (K, d)
    second: Tensor  # (K, …)
    log_likelihood: Tensor  # ()
    examples: Tensor  # ()
    states: tuple[Tensor, ...] = ()  # of each category: how often each state, (K, states)


class Joint(NamedTuple):
    """Of rows x (n, d + categories)."""

    log: Tensor  # (K, n) log weight_k p(x | k)
    white: Tensor  # (K, n, d) the white numbers, expected given what is there
    spare: Tensor | None = None  # (K, P, …): by how much more their squares are expected to be, of each pattern of what is missing
    which: Tensor | None = None  # (n,): the pattern of each row


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


def log_joint(kind: Kind, mixture: Mixture, x: Tensor, dtype: torch.dtype = torch.float64) -> Joint:
    """log weight_k p(x | k) and what comes with it, in `dtype`. x (n, d + categories) float64, NaN where something is missing."""
    d = mixture.means.shape[1]
    numbers = x[:, :d]
    shift = mixture.means[0]  # near the rows, on the scale that components lie apart
    means, root = (mixture.means - shift).to(dtype), mixture.root.to(dtype)
    log_weight = mixture.weights.log()
    if bool(numbers.sum().isnan()):  # one pass over the numbers; infinite ones of both signs are no gap, and take the longer way
        partial = kind.partial((numbers - shift).to(dtype), means, root)
        joint = Joint(partial.log + log_weight.to(dtype)[:, None], *partial[1:])
    else:
        white = kind.white((numbers - shift).to(dtype), means, root)
        joint = Joint(log_normal(white, (kind.log_det(mixture.root, d) + log_weight).to(dtype)), white)
    for j, chance in enumerate(mixture.chances):
        joint.log.add_(log_chance(chance, x[:, d + j]))
    return joint


def log_chance(chance: Tensor, state: Tensor) -> Tensor:
    """log p(state | k) (K, n) of states (n,) by chances (K, states); 0 where the state is missing."""
    there = ~state.isnan()
    found: Tensor = chance.log()[:, state.nan_to_num().long()].where(there, 0.0)
    return found


def expected(kind: Kind, mixture: Mixture, x: Tensor, dtype: torch.dtype = torch.float64) -> Sums:
    """The sums over x (n, d + categories), computed in `dtype`."""
    joint, white, spare, which = log_joint(kind, mixture, x, dtype)
    responsibility = joint.softmax(0).clamp_(min=math.exp(FAINT))
    half = responsibility.sqrt()
    white.mul_(half[..., None])
    first = torch.bmm(half[:, None], white)[:, 0]
    log_likelihood = (joint.amax(0).double() - responsibility.amax(0).double().log()).sum()  # of any component: log p(x, k) − log p(k | x)
    examples = torch.full((), len(x), dtype=torch.float64, device=x.device)
    second = kind.summed(white).double()
    if spare is not None and which is not None:
        of_pattern = responsibility.new_zeros(spare.shape[:2]).index_add_(1, which, responsibility)
        second += torch.einsum("kp,kp...->k...", of_pattern, spare).double()
    states = tuple(_counted(chance, x[:, len(mixture.means[0]) + j], responsibility) for j, chance in enumerate(mixture.chances))
    return Sums(responsibility.sum(1).double(), first.double(), second, log_likelihood, examples, states)


def _counted(chance: Tensor, state: Tensor, weight: Tensor) -> Tensor:
    """How often each state (n,) is seen under weights (K, n): (K, states)."""
    there = ~state.isnan()
    return torch.zeros_like(chance).index_add_(1, state.nan_to_num().long(), (weight * there).to(chance))


def maximised(kind: Kind, mixture: Mixture, sums: Sums, floor: float, prior: Prior | None = None, smoothing: float = 0.0) -> Mixture:
    """The parameters that fit the sums best. A component without examples keeps its mean and shape, and has the weight 0; under a prior
    it returns to the prior's mode. Raises Singular where a component has collapsed."""
    d, count = mixture.means.shape[1], sums.weight  # FAINT, but never 0
    step, square = sums.first / count[:, None], sums.second / shaped(count, sums.second)
    means = mixture.means + kind.coloured(step[:, None], mixture.root)[:, 0]
    spread = kind.squares_back(square - kind.squares(step), mixture.root)  # about the new means, per example
    floors = floor * kind.eye(d).to(spread)
    chances = tuple(shares(counts + smoothing, chance) for counts, chance in zip(sums.states, mixture.chances, strict=True))
    if prior is None:
        root, there = mixture.root.clone(), count > 2 * math.exp(FAINT) * sums.examples
        root[there] = kind.factor(spread[there] / kind.numbers(d) + floors)
        return Mixture(count * there / count.sum(), torch.where(there[:, None], means, mixture.means), root, chances)
    drawn = shaped(prior.kappa * count / (prior.kappa + count), spread) * kind.squares(means - prior.centre)
    covariance = prior.scale + drawn + shaped(count, spread) * spread
    covariance = covariance / shaped(prior.nu + kind.freedom(d) + kind.numbers(d) * count, spread)
    pulled = (count[:, None] * means + prior.kappa * prior.centre) / (count + prior.kappa)[:, None]
    return Mixture(prior.weights(count), pulled, kind.factor(covariance + floors), chances)


def shares(counts: Tensor, otherwise: Tensor) -> Tensor:
    """Rows that sum to 1; one without counts is as before."""
    total = counts.sum(1, keepdim=True)
    return torch.where(total > 0, counts / total, otherwise)


def shaped(values: Tensor, like: Tensor) -> Tensor:
    """(K,) with as many dimensions as `like` (K, …)."""
    return values.view(-1, *[1] * (like.ndim - 1))
