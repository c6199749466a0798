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

    def logits(self, given: Tensor) -> Tensor:
        """(…, 1) → (…, 2) log-probabilities."""
        logit = given.float()
        return -F.softplus(torch.cat([logit, -logit], -1))


class Categorical:
    """A few levels, or classes: one logit each."""

    def __init__(self, tokens: int) -> None:
        self.parameters_each = tokens

    def log_prob(self, given: Tensor, tokens: Tensor) -> Tensor:
        """given (…, V), tokens (…) → (…) nats."""
        return given.float().log_softmax(-1).gather(-1, tokens[..., None])[..., 0]

    def logits(self, given: Tensor) -> Tensor:
        """(…, V) → the same, normalised."""
        return given.float().log_softmax(-1)


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
