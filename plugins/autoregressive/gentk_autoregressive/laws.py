"""p(number | earlier numbers): the distribution of one quantised number, from the parameters that a network gives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gentk.errors import UsageError
from gentk.protocols import Leaf


class Bernoulli:
    """Two levels. The parameter (…, 1) is the logit of the upper one."""

    parameters_each = 1

    def log_prob(self, given: Tensor, tokens: Tensor) -> Tensor:
        """given (…, 1), tokens (…) in {0, 1} → (…) nats."""
        logit = given.squeeze(-1).float()
        return tokens * logit - F.softplus(logit)

    def logits(self, given: Tensor, tokens: Tensor) -> Tensor:
        """(…, 1) → (…, 2) log-probabilities, whatever the other numbers (`tokens`)."""
        logit = given.float()
        return -F.softplus(torch.cat([logit, -logit], -1))


class Categorical:
    """A few levels, or classes: one logit each."""

    def __init__(self, tokens: int) -> None:
        self.parameters_each = tokens

    def log_prob(self, given: Tensor, tokens: Tensor) -> Tensor:
        """given (…, V), tokens (…) → (…) nats."""
        return given.float().log_softmax(-1).gather(-1, tokens[..., None])[..., 0]

    def logits(self, given: Tensor, tokens: Tensor) -> Tensor:
        """(…, V) → log-probabilities (…, V), whatever the other numbers (`tokens`)."""
        return given.float().log_softmax(-1)


def parted(x: Tensor, k: int, c: int) -> Tensor:
    """(…, k · c) → (…, k, c)."""
    return x.reshape(*x.shape[:-1], k, c)


class LogisticMixture:
    """The channels of a pixel: a mixture of K products of discretised logistics (Salimans et al. 2017, §2.1-2.2).

    Component k has the weight π_k. Its mean of channel j moves with the values of the channels before j, by coefficients of its own.
    Numbers are levels in [-1, 1]. Each has the mass between the edges of its bin; the outer bins take the tails.
    With edges a < b, σ(b) − σ(a) = σ(b) σ(−a) (1 − e^(a−b)). Its logarithm is exact however small it is, so far bins need no fallback to
    the density.

    Parameters of a pixel: K log-weights, then K · C means, K · C log-scales, and K · C(C−1)/2 coefficients. Where all are 0, as before
    training, the means are spread evenly over [-1, 1].
    """

    def __init__(self, levels: int, channels: int, components: int) -> None:
        self.levels, self.channels, self.components = levels, channels, components
        self.pairs = channels * (channels - 1) // 2
        self.parameters_each = components * (1 + 2 * channels + self.pairs)

    def _parts(self, given: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """given (…, P), x (…, C) → log π (…, K), means given earlier channels (…, K, C), log-scales (…, K, C)."""
        k, c = self.components, self.channels
        weights, means, scales, pulls = torch.split(given.float(), [k, k * c, k * c, k * self.pairs], -1)
        mean, pull = parted(means, k, c), parted(pulls, k, self.pairs).tanh()
        moved, at = [], 0
        for j in range(c):
            moved.append(mean[..., j] + (pull[..., at : at + j] * x[..., None, :j]).sum(-1))
            at += j
        spread = (2 * torch.arange(k, device=given.device) + 1) / k - 1  # components that begin alike would stay alike
        return weights.log_softmax(-1), torch.stack(moved, -1) + spread[:, None], (parted(scales, k, c) - 2).clamp(min=-7)

    def _masses(self, x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
        """log of the mass of the bin around x; all broadcast."""
        edge = 1 / (self.levels - 1)
        inverse = (-log_scale).exp()
        below, above = (x - edge - mean) * inverse, (x + edge - mean) * inverse
        inside = F.logsigmoid(above) + F.logsigmoid(-below) + torch.log(-torch.expm1(-2 * edge * inverse))
        return torch.where(x < edge - 1, F.logsigmoid(above), torch.where(x > 1 - edge, F.logsigmoid(-below), inside))

    def _values(self, tokens: Tensor) -> Tensor:
        return tokens.float() * (2 / (self.levels - 1)) - 1

    def log_prob(self, given: Tensor, tokens: Tensor) -> Tensor:
        """given (…, P), tokens (…, C) → (…) nats of the pixel."""
        x = self._values(tokens)
        weight, mean, scale = self._parts(given, x)
        return (weight + self._masses(x[..., None, :], mean, scale).sum(-1)).logsumexp(-1)

    def logits(self, given: Tensor, tokens: Tensor) -> Tensor:
        """log p(each level | earlier channels), (…, C, V). Channel j does not look at tokens from j on."""
        x = self._values(tokens)
        weight, mean, scale = self._parts(given, x)
        own = self._masses(x[..., None, :], mean, scale)  # (…, K, C)
        before = weight[..., None] + F.pad(own, (1, 0))[..., :-1].cumsum(-1)  # log π_k and the channels before
        levels = self._values(torch.arange(self.levels, device=given.device))
        each = self._masses(levels, mean[..., None], scale[..., None])  # (…, K, C, V)
        return (before.log_softmax(-2)[..., None] + each).logsumexp(-3)


class Logistics(LogisticMixture):
    """One number: a mixture of K discretised logistics."""

    def __init__(self, levels: int, components: int) -> None:
        super().__init__(levels, 1, components)

    def log_prob(self, given: Tensor, tokens: Tensor) -> Tensor:
        """given (…, P), tokens (…) → (…) nats."""
        return super().log_prob(given, tokens[..., None])

    def logits(self, given: Tensor, tokens: Tensor) -> Tensor:
        """(…, P) → log-probabilities (…, V), whatever the other numbers (`tokens`)."""
        return super().logits(given, tokens[..., None])[..., 0, :]


def single(tokens: int, components: int = 0) -> Bernoulli | Categorical | Logistics:
    """Of one number with `tokens` values: any distribution, or above 32 values a mixture of so many logistics."""
    if components and tokens > 32:
        return Logistics(tokens, components)
    return Bernoulli() if tokens == 2 else Categorical(tokens)


class Tokens:
    """The numbers of a leaf as tokens 0 … V - 1, and as what a network reads.

    Raises UsageError for a leaf whose numbers are continuous.
    """

    def __init__(self, leaf: Leaf, model: str) -> None:
        if not leaf.classes and leaf.levels < 2:
            raise UsageError(f"{model} wants quantised data (levels) or classes, and these numbers are continuous: train a flow on them")
        self.count = leaf.classes or leaf.levels
        self.codes = bool(leaf.classes)
        self.low, self.high = (0.0, float(self.count - 1)) if leaf.classes else (leaf.range or (-1.0, 1.0))

    def of(self, x: Tensor) -> Tensor:
        """Values (…) → tokens (…) int64: the nearest level."""
        if self.codes:
            return x.long()
        return ((x - self.low) * ((self.count - 1) / (self.high - self.low))).round().long().clamp(0, self.count - 1)

    def values(self, tokens: Tensor) -> Tensor:
        """Tokens (…) → numbers in [-1, 1] (…), whatever the leaf's range."""
        return tokens.to(torch.get_default_dtype()) * (2 / (self.count - 1)) - 1
