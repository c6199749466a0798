"""One token after another, each from the model's distribution given those before: text, pixels, codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..protocols import NextToken, Noise, Step

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Batch


def rows_of(cache: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Some rows of a cache, whose every tensor has the rows first."""
    return {key: value.index_select(0, rows.to(value.device)) for key, value in cache.items()}


def truncated(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Logits (n, V) with all but the k likeliest (Fan et al. 2018) and all outside the nucleus p (Holtzman et al. 2020) at −∞.

    The nucleus is the smallest set of tokens whose probability reaches p; the likeliest token is always in it.
    """
    if top_k:
        least = logits.topk(min(top_k, logits.shape[-1])).values[..., -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if top_p < 1:
        ordered, place = logits.sort(-1, descending=True)
        probability = ordered.softmax(-1)
        outside = probability.cumsum(-1) - probability >= top_p  # what stands before a token already reaches p
        logits = logits.masked_fill(outside.scatter(-1, place, outside), float("-inf"))
    return logits


class AutoRegressive(BaseModel):
    """Yields after every token, so text streams. A row ends at the model's stop token, at `length`, or when it is full; finished
    rows cost nothing more, as their part of the cache is dropped. Given tokens (a prompt, known pixels) are kept as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    needs: ClassVar[type] = NextToken
    temperature: Annotated[float, Field(ge=0, le=100)] = Field(1.0, description="Below 1 is bolder; 0 takes the likeliest token.")
    top_k: Annotated[int, Field(ge=0)] = Field(0, description="Draw among the k likeliest tokens; 0: among all.")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="Draw among the likeliest tokens that together reach p.")
    length: Annotated[int, Field(ge=0)] = Field(0, description="Tokens at most, the prompt included; 0: as many as the model holds.")

    def pick(self, logits: Tensor, noise: Noise) -> Tensor:
        """(n, V) → the next token of each row, (n,) on the host."""
        if self.temperature == 0:
            return logits.argmax(-1).cpu()
        return noise.categorical(truncated(logits.float() / self.temperature, self.top_k, self.top_p)).cpu()

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        import torch

        full = model.data.leaves["x"].shape[0]
        limit = min(self.length or full, full)
        logits, cache, given, length = model.begin(n, cond)
        logits, length, tokens = logits.clone(), length.clone(), given.clamp(min=0)
        live = torch.arange(n)[length < limit]  # rows still growing, in the order of the cache
        cache, own = rows_of(cache, live), noise[live.tolist()]
        total = int(limit - length.min()) if n else 0
        if not len(live):
            yield Step(0, 0, {"x": tokens, "length": length})
        for i in range(1, total + 1):
            at = length[live]
            drawn = self.pick(logits[live.to(logits.device)], own)
            known = given[live, at]
            new = torch.where(known >= 0, known, drawn)
            tokens[live, at] = new
            length[live] = at + 1
            yield Step(i, total, {"x": tokens.clone(), "length": length.clone()})
            ended = length[live] >= limit
            if model.stop is not None:
                ended |= new == model.stop
            keep = (~ended).nonzero()[:, 0]
            if len(keep) < len(live):
                live, new, cache, own = live[keep], new[keep], rows_of(cache, keep), own[keep.tolist()]
            if not len(live):
                return
            after, cache = model.next(new[:, None].to(logits.device), cache, length[live] - 1)
            logits[live.to(logits.device)] = after[:, -1]
