"""One token after another, each from the model's distribution given those before: text, pixels, codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..conditions import File
from ..errors import UsageError
from ..protocols import NextToken, Noise, Step
from ..text import note
from . import logits as policies
from .tokens import placed, room, tokens_of, vocabulary

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Batch, Begun, Condition, DataSpec

KNOWN = ("known", "known_mask")


def rows_of(cache: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Some rows of a cache, whose every tensor has the rows first."""
    return {key: value.index_select(0, rows.to(value.device)) for key, value in cache.items()}


def started(model: Any, n: int, cond: Batch) -> Begun:
    """What the model begins with, and the known numbers of `cond` behind it, so far as none stands before them that must be drawn.

    Raises UsageError where of `known` and `known_mask` one is missing.
    """
    own = {name: value for name, value in cond.items() if name not in KNOWN or name in model.conditions}
    begun: Begun = model.begin(n, own)
    if len(told := [name for name in KNOWN if name in cond and name not in own]) == 1:
        raise UsageError("known and known_mask are given together: what is known, and where")
    return begun if not told else _prefilled(model, _knowing(model, begun, cond["known"], cond["known_mask"]))


def _knowing(model: Any, begun: Begun, known: Tensor, mask: Tensor) -> Begun:
    """With the tokens of `known` given where `mask`, which broadcasts over it, is above 0."""
    import torch

    leaf, places = model.data.leaves["x"], getattr(model, "places", None)
    there = (mask > 0).expand(known.shape).flatten(1)
    there = there if places is None else there[:, places.to(there.device)]
    tokens = torch.where(there, tokens_of(known, leaf, places), -1).cpu()
    given = torch.where(begun.given >= 0, begun.given, tokens)
    free = (given < 0).long().cumsum(1) > 0
    if bool((free & (given >= 0)).any()):
        note("some of what is known comes after numbers that are drawn: those do not see it, so this is not quite the model's conditional")
    return begun._replace(given=given)


def _prefilled(model: Any, begun: Begun) -> Begun:
    """The tokens that all rows are given from their beginning on go through the model at once."""
    import torch

    first = begun.length[:, None] + torch.arange(begun.given.shape[1])
    ahead = begun.given.gather(1, first.clamp(max=begun.given.shape[1] - 1))
    inside = (ahead >= 0) & (first < begun.given.shape[1])
    k = int(inside.long().cumprod(1).sum(1).min()) if len(ahead) else 0
    if k < 1:
        return begun
    after, cache = model.next(ahead[:, :k].to(begun.logits.device), begun.cache, begun.length)
    return begun._replace(logits=after[:, -1], cache=cache, length=begun.length + k)


class AutoRegressive(BaseModel):
    """Yields after every token, so text streams. A row ends at the model's stop token, at `length`, or when it is full; finished
    rows cost nothing more, as their part of the cache is dropped. Given tokens (a prompt, known pixels) are kept as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    needs: ClassVar[type] = NextToken
    temperature: Annotated[float, Field(ge=0, le=100)] = Field(1.0, description="Below 1 is bolder; 0 takes the likeliest token.")
    top_k: Annotated[int, Field(ge=0)] = Field(0, description="Draw among the k likeliest tokens; 0: among all.")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="Draw among the likeliest tokens that together reach p.")
    min_p: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="Draw among tokens at least p times as likely as the likeliest.")
    repetition_penalty: Annotated[float, Field(gt=0, le=100)] = Field(1.0, description="Above 1: tokens that are there already come less.")
    length: Annotated[int, Field(ge=0)] = Field(0, description="Tokens at most, the prompt included; 0: as many as the model holds.")

    @staticmethod
    def conditions(data: DataSpec) -> dict[str, Condition]:
        """Of images and their codes, what is known and where: the rest is drawn given it."""
        leaf = data.leaves.get("x")
        if leaf is None or len(leaf.shape) < 2:
            return {}
        mask = (1, *leaf.shape[1:]) if len(leaf.shape) == 3 else leaf.shape
        return {
            "known": File(shape=leaf.shape, modality=data.modality, help="Draw the rest of this, which stays as it is."),
            "known_mask": File(shape=mask, modality=data.modality, mask=True, help="What of it is known: white (or opaque), or above 0."),
        }

    def law(self, logits: Tensor, tokens: Tensor, length: Tensor) -> Tensor:
        """The logits (n, V) of what is drawn after tokens (n, L), of which each row has `length`. Not of temperature 0."""
        logits = logits.float()
        if self.repetition_penalty != 1:
            logits = policies.penalised(logits, tokens, length, self.repetition_penalty)
        logits = logits / (self.temperature or 1.0)
        if self.top_k:
            logits = policies.top_k(logits, self.top_k)
        if self.top_p < 1:
            logits = policies.top_p(logits, self.top_p)
        return policies.min_p(logits, self.min_p) if self.min_p else logits

    def pick(self, logits: Tensor, noise: Noise, tokens: Tensor, length: Tensor) -> Tensor:
        """(n, V) → the next token of each row, (n,) on the host."""
        law = self.law(logits, tokens, length)
        return (law.argmax(-1) if self.temperature == 0 else noise.categorical(law)).cpu()

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        import torch

        leaf, places = model.data.leaves["x"], getattr(model, "places", None)
        vocabulary(leaf)
        full, ragged = room(leaf), "length" in model.data.leaves or (len(leaf.shape) == 1 and bool(leaf.classes))
        if self.length and not ragged:
            raise UsageError(f"all these examples have {full} numbers: leave length out")
        limit = min(self.length or full, full)
        logits, cache, given, length = started(model, n, cond)
        logits, length, tokens = logits.clone(), length.clone(), given.clamp(min=0)

        def there() -> dict[str, Tensor]:
            x = {"x": placed(tokens.clone(), leaf, places)}
            return {**x, "length": length.clone()} if ragged else x

        live = torch.arange(n)[length < limit]  # rows still growing, in the order of the cache
        cache, own = rows_of(cache, live), noise[live.tolist()]
        total = int(limit - length.min()) if n else 0
        if not len(live):
            yield Step(0, 0, there())
        for i in range(1, total + 1):
            at = length[live]
            drawn = self.pick(logits[live.to(logits.device)], own, tokens[live], at)
            known = given[live, at]
            new = torch.where(known >= 0, known, drawn)
            tokens[live, at] = new
            length[live] = at + 1
            yield Step(i, total, there())
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
