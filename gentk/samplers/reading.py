"""A model at work on n sequences: its cache, and what it says comes next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Begun


def rows_of(cache: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Some rows of a cache, whose every tensor has the rows first."""
    return {key: value.index_select(0, rows.to(value.device)) for key, value in cache.items()}


def replaced(cache: Mapping[str, Tensor], rows: Tensor, part: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The cache with other values in some rows. Where one of the two has grown, so does the other, by zeros."""
    found = {}
    for key, value in cache.items():
        sizes = [max(both) for both in zip(value.shape[1:], part[key].shape[1:], strict=True)]
        found[key] = _enlarged(value, sizes).index_copy(0, rows.to(value.device), _enlarged(part[key], sizes))
    return found


def _enlarged(value: Tensor, sizes: list[int]) -> Tensor:
    """With zeros behind each dimension but the first."""
    from torch.nn.functional import pad

    missing = [more - there for more, there in zip(sizes, value.shape[1:], strict=True)]
    return pad(value, [m for size in reversed(missing) for m in (0, size)]) if any(missing) else value


class Reading:
    """What a NextToken model has read of n sequences: `cache`, `length` (n,) tokens on the host, and `logits` (n, V) of the next token.

    `positional`: the model writes into the cache it is given, or enlarges it. Then the cache after k tokens is also the cache after fewer,
    because the protocol keeps the old cache valid up to its length. The state of a recurrent net, a new tensor of the same shape, is not.
    None until the model has been called.
    """

    def __init__(self, model: Any, begun: Begun) -> None:
        self.model, self.cache, self.length, self.logits = model, begun.cache, begun.length.clone(), begun.logits
        self.positional: bool | None = None
        self.room = math.prod(model.data.leaves["x"].shape)

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits, after = self.model.next(tokens.to(self.logits.device), cache, length)
        held = (
            key in cache and (cache[key].data_ptr() == value.data_ptr() or cache[key].shape != value.shape)
            for key, value in after.items()
        )
        self.positional = self.positional is not False and all(held)
        return logits, after

    def feed(self, tokens: Tensor, count: Tensor | None = None) -> Tensor:
        """Read tokens (n, k), of row i the first count[i] (default: all) → logits (n, k, V) after each; 0 where none was read.

        Rows that read equally many go to the model together, as a recurrent net cannot skip padding. A model whose cache is positional
        reads all rows at once: what stands behind a row's length is written over.
        """
        import torch

        k = tokens.shape[1]
        if count is not None and self.positional and int(self.length.max()) + k <= self.room:
            return self._padded(tokens, count)
        counts = [k] if count is None else sorted(set(count.tolist()))
        if counts == [k]:
            logits, self.cache = self.next(tokens, self.cache, self.length)
            self.length, self.logits = self.length + k, logits[:, -1]
            return logits
        assert count is not None
        logits = self.logits.new_zeros(len(tokens), k, self.logits.shape[-1])
        last = self.logits.clone()
        for c in filter(None, counts):
            rows = (count == c).nonzero()[:, 0]
            here = rows.to(logits.device)
            part, after = self.next(tokens[rows, :c], rows_of(self.cache, rows), self.length[rows])
            logits[here[:, None], torch.arange(c, device=here.device)] = part
            last[here] = part[:, -1]
            self.cache = replaced(self.cache, rows, after)
        self.length, self.logits = self.length + count, last
        return logits

    def _padded(self, tokens: Tensor, count: Tensor) -> Tensor:
        import torch

        logits, self.cache = self.next(tokens, self.cache, self.length)
        here = count.to(logits.device)
        row, place = (torch.arange(size, device=here.device) for size in tokens.shape)
        self.logits = torch.where((here > 0)[:, None], logits[row, (here - 1).clamp(min=0)], self.logits)
        self.length = self.length + count
        return logits.masked_fill((place >= here[:, None])[..., None], 0.0)

    def pick(self, rows: Tensor) -> None:
        """Go on with these rows, which may repeat."""
        self.cache, self.length = rows_of(self.cache, rows), self.length[rows]
        self.logits = self.logits.index_select(0, rows.to(self.logits.device))
