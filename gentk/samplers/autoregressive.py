"""One token after another, each from the model's distribution given those before: text, pixels, codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..errors import UsageError
from ..protocols import Condition, DataSpec, NextToken, Noise, Step
from . import logits as shaping

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Batch
    from .language import Language
    from .reading import Reading
    from .sequences import Sequences


def truncated(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Logits (n, V) with all but the k likeliest and all outside the nucleus p at −∞. 0 and 1 keep all."""
    return shaping.top_p(shaping.top_k(logits, top_k), top_p)


IMPOSSIBLE = "pattern: the model gives every token that would match a probability of 0"
Words = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]
Listed = Annotated[tuple[str, ...], BeforeValidator(lambda given: tuple(given.split(",")) if isinstance(given, str) else given)]


class TokenSampler(BaseModel):
    """What samplers of NextToken models share: how long a text is, when it ends, what it must match, guidance."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    needs: ClassVar[type] = NextToken
    drafts: ClassVar[bool] = False  # whether a draft model helps
    streams: ClassVar[bool] = False  # whether each step's text begins with the one before

    length: Annotated[int, Field(ge=0)] = Field(0, description="Tokens at most, the prompt included; 0: as many as the model holds.")
    guidance: Annotated[float, Field(ge=0, le=100)] = Field(1.0, description="Classifier-free guidance; 1 is off, 0 asks for nothing.")
    stop: Words = Field((), description="End a text before this text. Several: -o 'stop=[\"a\", \"b\"]'.")
    pattern: str | None = Field(None, description="A regular expression that what is drawn matches as a whole.")
    choices: Listed = Field((), description="Draw one of these texts: a,b,c.")

    @staticmethod
    def conditions(data: DataSpec) -> Mapping[str, Condition]:
        """What any of them can be asked for, beside the model's own conditions."""
        from .places import conditions

        return conditions(data)

    def begun(self, model: Any, n: int, cond: Batch) -> tuple[Sequences, Reading]:
        """The sequences as they begin, and the model with guidance. Raises UsageError for options that the data cannot have."""
        from .sequences import begun
        from .stops import Stops
        from .token_guidance import guided_tokens

        stops = Stops(model.data.leaves["x"], self.stop) if self.stop else None
        guided = guided_tokens(model, self.guidance)
        return begun(guided, n, cond, limit=self.length, stops=stops, language=self.language(model))

    def language(self, model: Any) -> Language | None:
        if self.pattern is not None and self.choices:
            raise UsageError("pattern and choices are given both: choose one")
        if self.pattern is None and not self.choices:
            return None
        from .language import either, language

        return language(either(self.choices) if self.pattern is None else self.pattern, model.data.leaves["x"], model.stop)


class AutoRegressive(TokenSampler):
    """Draws token after token and yields after each, so text streams. A row ends at the model's stop token, at a stop text, at `length`, or
    when it is full; finished rows cost nothing more, as their part of the cache is dropped. Given tokens (a prompt, known pixels) are kept.

    The model's draft (`gentk.samplers.speculative.drafted`), if it has one, makes this faster and changes no distribution.
    """

    drafts: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    temperature: Annotated[float, Field(ge=0, le=100)] = Field(1.0, description="Below 1 is bolder; 0 takes the likeliest token.")
    top_k: Annotated[int, Field(ge=0)] = Field(0, description="Draw among the k likeliest tokens; 0: among all.")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="Draw among the likeliest tokens that together reach p.")
    min_p: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="Draw among tokens this many times as likely as the likeliest.")
    repetition_penalty: Annotated[float, Field(gt=0, le=100)] = Field(1.0, description="Above 1: tokens that are there get rarer.")
    ahead: Annotated[int, Field(ge=1, le=1000)] = Field(4, description="With --draft: how many tokens it proposes at a time.")

    def shaped(self, logits: Tensor, tokens: Tensor, length: Tensor, allowed: Tensor | None = None, *, strict: bool = True) -> Tensor:
        """Logits (n, V) of the law that is drawn from: penalty, what is allowed, temperature, truncation.

        tokens (n, L) of which `length` (n,) count, allowed (n, V) bool. Where the model rules out all that is allowed: UsageError, or, not
        `strict`, −∞ for every token.
        """
        place = logits.device
        logits = logits.float()
        if self.repetition_penalty != 1:
            logits = shaping.repetition_penalty(logits, tokens.to(place), length.to(place), self.repetition_penalty)
        if allowed is not None:
            logits = logits.masked_fill(~allowed.to(place), shaping.OUT)
            if strict and bool((logits.amax(-1) == shaping.OUT).any()):
                raise UsageError(IMPOSSIBLE)
        possible = logits.amax(-1, keepdim=True) > shaping.OUT
        logits = truncated(shaping.temperature(logits, self.temperature), self.top_k, self.top_p)
        return shaping.min_p(logits, self.min_p).masked_fill(~possible, shaping.OUT)

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        import torch

        if getattr(model, "draft", None) is not None:
            from .speculative import speculative

            yield from speculative(self, model, n, noise=noise, cond=cond)
            return
        rows, reading = self.begun(model, n, cond)
        live = torch.arange(n)[rows.length < rows.limit]  # rows still growing, in the order of the cache
        reading.pick(live)
        own = noise[live.tolist()]
        total = int(rows.limit - rows.length.min()) if n else 0
        if not len(live):
            yield rows.step(0, 0)
        for i in range(1, total + 1):
            drawn, known = self.pick(rows, live, reading.logits, own), rows.known(live)
            new = torch.where(known >= 0, known, drawn)
            keep = (~rows.write(live, new)).nonzero()[:, 0]
            rows.check(live)
            yield rows.step(i, total)
            if not len(keep):
                return
            if len(keep) < len(live):
                live, new, own = live[keep], new[keep], own[keep.tolist()]
                reading.pick(keep)
            reading.feed(new[:, None])

    def pick(self, rows: Sequences, live: Tensor, logits: Tensor, noise: Noise) -> Tensor:
        """The next token of some rows, (len(live),) on the host."""
        length = rows.length[live]
        allowed = rows.language.allowed(rows.states[live], rows.limit - length) if rows.language else None
        shaped = self.shaped(logits, rows.tokens[live], length, allowed)
        return (shaped.argmax(-1) if self.temperature == 0 else noise.categorical(shaped)).cpu()
