"""NextToken models around others: what they share, and when two models can predict the same tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..protocols import Batch, Begun, NextToken, can
from .places import Places


class Beside(nn.Module):
    """A NextToken model with another one beside it: everything but the tokens is the inner one's."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.Config, self.config, self.data, self.conditions = inner.Config, inner.config, inner.data, inner.conditions
        self.stop = inner.stop
        for name in ("latents", "sampler", "recommended_sampler", "places"):
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))

    def begin(self, n: int, cond: Batch) -> Begun:
        begun: Begun = self.inner.begin(n, cond)
        return begun

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> Any:
        return self.inner.next(tokens, cache, length)


def checked(model: Any, other: Any, flag: str) -> None:
    """Raise UsageError, with the `flag` that names `other`, unless its tokens are those of the model."""
    if not can(model, NextToken) or not can(other, NextToken):
        which = model if not can(model, NextToken) else other
        raise UsageError(f"{flag}: {type(which).__name__} predicts no next token; both models must")
    one, two = model.data.leaves["x"], other.data.leaves["x"]
    for name in ("shape", "classes", "levels", "range", "names", "words", "tokenizer"):
        if getattr(one, name) != getattr(two, name):
            raise UsageError(f"{flag}: its examples have other {name} than the model's: both need one vocabulary and one length")
    first, second = Places(model).order, Places(other).order
    same = first is second if first is None or second is None else torch.equal(first, second)
    if not same or model.stop != other.stop:
        raise UsageError(f"{flag}: its tokens have another {'order' if not same else 'stop token'} than the model's")
    if wanted := [key for key, value in other.conditions.items() if value.required and key not in model.conditions]:
        raise UsageError(f"{flag}: it needs the condition '{wanted[0]}', which the model does not have")


class Contrasted(Beside):
    """A model guided away from a weaker one of the same tokens: logits l_weak + w (l − l_weak), among the tokens that the model itself
    finds at least `plausible` times as likely as its likeliest (contrastive decoding: Li et al. 2023, eq. 2-3, with the weights of
    O'Brien & Lewis 2023, w = 1 + β). w = 1 leaves the model's own law of these tokens.

    The weaker model hears the conditions that it knows.
    """

    def __init__(self, inner: Any, weak: Any, weight: float, *, plausible: float = 0.1) -> None:
        super().__init__(inner)
        checked(inner, weak, "--guide")
        self.weak, self.weight, self.plausible = weak, weight, plausible

    def begin(self, n: int, cond: Batch) -> Begun:
        ours = self.inner.begin(n, cond)
        theirs = self.weak.begin(n, {key: value for key, value in cond.items() if key in self.weak.conditions})
        if not torch.equal(ours.length, theirs.length):
            raise UsageError("--guide: it begins with another number of tokens than the model does")
        cache = {**_named("ours.", ours.cache), **_named("theirs.", theirs.cache)}
        return Begun(self._contrasted(ours.logits, theirs.logits), cache, ours.given, ours.length)

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> Any:
        ours, first = self.inner.next(tokens, _part(cache, "ours."), length)
        theirs, second = self.weak.next(tokens, _part(cache, "theirs."), length)
        return self._contrasted(ours, theirs), {**_named("ours.", first), **_named("theirs.", second)}

    def _contrasted(self, ours: Tensor, theirs: Tensor) -> Tensor:
        ours, theirs = ours.float().log_softmax(-1), theirs.float().log_softmax(-1)
        least = ours.amax(-1, keepdim=True) + torch.tensor(self.plausible).log()
        return torch.lerp(theirs, ours, self.weight).masked_fill(ours < least.to(ours), float("-inf"))


def _named(prefix: str, cache: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in cache.items()}


def _part(cache: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in cache.items() if key.startswith(prefix)}
