"""p(x | z): what a decoder's output says of each number. Always summed over an example, never averaged, so that it meets the KL in nats."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentk.errors import UsageError
from gentk.protocols import Leaf, Noise


def wide(x: Tensor) -> Tensor:
    """In float32 at least: nats are summed over many numbers, and autocast leaves a net's output in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Bernoulli(nn.Module):
    """Two levels; the parameter is the logit of the upper one."""

    parameters_each = 1

    def __init__(self, leaf: Leaf) -> None:
        super().__init__()
        self.low, self.high = leaf.range or (0.0, 1.0)

    def log_prob(self, given: Tensor, x: Tensor) -> Tensor:
        """given (n, 1, *shape), x (n, *shape) → (n,) nats."""
        logits = wide(given[:, 0])
        target = ((x - self.low) / (self.high - self.low)).to(logits)
        return (target * logits - F.softplus(logits)).flatten(1).sum(1)

    def mean(self, given: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * wide(given[:, 0]).sigmoid()

    def draw(self, given: Tensor, noise: Noise) -> Tensor:
        logits = wide(given[:, 0])
        upper = noise.uniform(*logits.shape[1:]).to(logits) < logits.sigmoid()
        return torch.where(upper, self.high, self.low).to(logits)


class DiscretisedLogistic(nn.Module):
    """The mass of a logistic law in the bin of each grey level, the outer bins taking the tails (Kingma et al. 2016, Salimans et al. 2017).

    Parameters: location, log of the scale. σ(b) − σ(a) = σ(b) σ(−a) (1 − e^(a−b)), which is exact in logarithms however small it is.
    """

    parameters_each = 2

    def __init__(self, leaf: Leaf) -> None:
        super().__init__()
        self.low, self.high = leaf.range or (-1.0, 1.0)
        self.edge = (self.high - self.low) / (leaf.levels - 1) / 2

    def _law(self, given: Tensor) -> tuple[Tensor, Tensor]:
        middle, reach = (self.low + self.high) / 2, (self.high - self.low) / 2
        return middle + reach * wide(given[:, 0]), (wide(given[:, 1]) - 2).clamp(-7, 7)

    def log_prob(self, given: Tensor, x: Tensor) -> Tensor:
        mean, log_scale = self._law(given)
        centred, inverse = x - mean, (-log_scale).exp()
        below, above = (centred - self.edge) * inverse, (centred + self.edge) * inverse
        width = 2 * self.edge * inverse
        inside = F.logsigmoid(above) + F.logsigmoid(-below) + torch.log(-torch.expm1(-width))
        lowest, highest = x < self.low + self.edge, x > self.high - self.edge
        nats = torch.where(lowest, F.logsigmoid(above), torch.where(highest, F.logsigmoid(-below), inside))
        return nats.flatten(1).sum(1)

    def mean(self, given: Tensor) -> Tensor:
        return self._law(given)[0].clamp(self.low, self.high)

    def draw(self, given: Tensor, noise: Noise) -> Tensor:
        mean, log_scale = self._law(given)
        u = noise.uniform(*mean.shape[1:]).clamp(1e-12, 1 - 1e-12)
        x = (mean + log_scale.exp() * (u.log() - torch.log1p(-u)).to(mean)).clamp(self.low, self.high)
        return self.low + ((x - self.low) / (2 * self.edge)).round() * 2 * self.edge


class Gaussian(nn.Module):
    """One deviation for all numbers: given, which makes the loss a scaled squared error, or learned (σ-VAE, Rybkin et al. 2021).

    Of quantised data it is the bound of uniform dequantisation, whose expectation has a closed form: with bins of width w,
    log p(x) ≥ Σ log(w N(x; μ, σ²)) − w²/24σ².
    """

    parameters_each = 1

    def __init__(self, leaf: Leaf, sigma: float | None) -> None:
        super().__init__()
        self.bin = (leaf.range[1] - leaf.range[0]) / (leaf.levels - 1) if leaf.levels and leaf.range else 0.0
        self.fixed = sigma
        if sigma is None:
            self.log_sigma = nn.Parameter(torch.tensor(-1.0))

    def _log_sigma(self) -> Tensor:
        return torch.tensor(math.log(self.fixed)) if self.fixed else self.log_sigma.clamp(min=-7)

    def log_prob(self, given: Tensor, x: Tensor) -> Tensor:
        log_sigma = self._log_sigma().to(x.device)
        squares = ((x - wide(given[:, 0])).square() + self.bin**2 / 12) * (-2 * log_sigma).exp() / 2
        nats = -squares - log_sigma - math.log(2 * math.pi) / 2 + (math.log(self.bin) if self.bin else 0.0)
        return nats.flatten(1).sum(1)

    def mean(self, given: Tensor) -> Tensor:
        return wide(given[:, 0])

    def draw(self, given: Tensor, noise: Noise) -> Tensor:
        mean = wide(given[:, 0])
        return mean + self._log_sigma().exp().to(mean) * noise.normal(*mean.shape[1:])


def likelihood(name: str, leaf: Leaf, sigma: float | None) -> Any:
    """The law called `name` for a leaf. Raises UsageError where it cannot be the law of such data."""
    if leaf.classes:
        raise UsageError("these autoencoders are of numbers, and x holds classes: train a model of tokens on it")
    if name == "auto":
        name = "bernoulli" if leaf.levels == 2 else "logistic" if leaf.levels else "gaussian"
    if name == "gaussian":
        return Gaussian(leaf, sigma)
    if name == "bernoulli":
        if leaf.levels != 2:
            raise UsageError("a Bernoulli likelihood wants data of two levels: --set dataset.options.binarise=dynamic, or likelihood=auto")
        return Bernoulli(leaf)
    if leaf.levels < 2:
        raise UsageError("a discretised likelihood wants quantised data (levels), and these are continuous: likelihood=gaussian")
    return DiscretisedLogistic(leaf)
