"""NextToken → NextToken: classifier-free guidance. The sampler never knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..protocols import Batch, Begun


def paired(value: Tensor) -> Tensor:
    """Each row twice, one after the other."""
    return value.repeat_interleave(2, 0)


class GuidedTokens:
    """Logits l_u + w (l_c − l_u), of the model with its conditions and with none (Sanchez et al. 2023, eq. 7, after Ho & Salimans 2022).

    w = 1 is the model itself, w = 0 the model without its conditions. One forward of 2n rows: the cache (n, 2, …) holds both of each row.
    Raises UsageError where no condition was ever left out in training: then there is no l_u.
    """

    def __init__(self, inner: Any, weight: float) -> None:
        self.inner, self.weight = inner, weight
        self.data, self.conditions, self.stop = inner.data, inner.conditions, inner.stop
        if hasattr(inner, "places"):
            self.places = inner.places
        if all(condition.null(1) is None for condition in inner.conditions.values()):
            raise UsageError("guidance needs a condition that was sometimes left out in training, and this model has none: leave it at 1")

    def begin(self, n: int, cond: Batch) -> Begun:
        both = {key: paired(value) for key, value in cond.items()}
        for key, value in both.items():
            if key in self.conditions and (null := self.conditions[key].null(n)) is not None:
                value[1::2] = null.to(value)
        logits, cache, given, length = self.inner.begin(2 * n, both)
        return Begun(self._guided(logits), self._folded(cache), given[::2], length[::2])

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        flat = {key: value.flatten(0, 1) for key, value in cache.items()}  # a view, so that the model may write in place
        logits, after = self.inner.next(paired(tokens), flat, paired(length))
        return self._guided(logits), self._folded(after)

    def _guided(self, logits: Tensor) -> Tensor:
        asked, free = logits.float()[::2], logits.float()[1::2]
        return torch.lerp(free, asked, self.weight)

    def _folded(self, cache: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {key: value.view(-1, 2, *value.shape[1:]) for key, value in cache.items()}


def guided_tokens(model: Any, weight: float) -> Any:
    """The model itself where guidance is off."""
    return model if weight == 1 else GuidedTokens(model, weight)
