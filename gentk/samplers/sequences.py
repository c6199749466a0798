"""n sequences of tokens that grow: where they begin, what is already known of them, when one has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..protocols import Step
from ..text import note
from .places import Places
from .reading import Reading
from .stops import Stops

if TYPE_CHECKING:
    from ..protocols import Batch
    from .language import Language


class Sequences:
    """Tokens (n, L) on the host and how many of each row count.

    A row ends at the model's stop token, at one of the `stops`, at `limit` tokens, or where nothing more fits the `language`. Tokens that
    are `given` are kept as they are.
    """

    def __init__(
        self, model: Any, given: Tensor, length: Tensor, *, limit: int = 0, stops: Stops | None = None, language: Language | None = None
    ) -> None:
        self.places = Places(model)
        room = self.places.room
        self.given, self.length, self.limit, self.stop = given, length, min(limit or room, room), model.stop
        self.stops, self.language = stops, language
        self.tokens, self.start = given.clamp(min=0), length.clone()
        self.states = language.begin(len(given)) if language else torch.zeros(len(given), dtype=torch.int64)
        early = limit or stops or language or model.stop is not None
        self.counted = "length" in model.data.leaves or (len(self.places.leaf.shape) == 1 and bool(early))
        if len(self.places.leaf.shape) > 1 and (limit or stops or language):
            raise UsageError("length, stop, pattern and choices are of texts: every example of this model has all its numbers")
        if language:
            language.fits(self.limit - length)

    def __len__(self) -> int:
        return len(self.tokens)

    def pick(self, rows: Tensor) -> Sequences:
        """Copies of these rows, which may repeat."""
        some = object.__new__(Sequences)
        some.__dict__ |= self.__dict__
        for name in ("given", "length", "tokens", "start", "states"):
            setattr(some, name, getattr(self, name)[rows])
        return some

    def known(self, rows: Tensor) -> Tensor:
        """The given token at each row's next place, −1 where it is free."""
        found: Tensor = self.given[rows, self.length[rows]]
        return found

    def write(self, rows: Tensor, new: Tensor) -> Tensor:
        """Append one token to each of some rows → (len(rows),) bool, which of them have ended."""
        at = self.length[rows]
        self.tokens[rows, at] = new
        self.length[rows] = at + 1
        ended: Tensor = at + 1 >= self.limit
        if self.stop is not None:
            ended = ended | (new == self.stop)
        if self.language:
            unwritten = rows[self.language.marks(self.states[rows], new)]
            self.states[rows] = self.language.next(self.states[rows], new)
            self.length[unwritten] -= 1
            self.tokens[unwritten, self.length[unwritten]] = 0
            ended = ended | self.language.complete(self.states[rows], self.limit - self.length[rows])
        if self.stops:
            ended = ended | self._stopped(rows)
        return ended

    def check(self, rows: Tensor) -> None:
        """Raise UsageError where a token that was given does not fit the language."""
        if bool((self.states[rows] < 0).any()):
            raise UsageError("pattern: it does not allow the tokens that are given behind the beginning of the text")

    def _stopped(self, rows: Tensor) -> Tensor:
        """Which rows now contain a stop text. They are cut before it, and what is cut is 0."""
        assert self.stops is not None
        found = torch.zeros(len(rows), dtype=torch.bool)
        for i, row in enumerate(rows.tolist()):
            start, end = int(self.start[row]), int(self.length[row])
            kept = self.stops.cut(self.tokens[row, start:end].tolist())
            if kept is not None:
                found[i], self.length[row] = True, start + kept
                self.tokens[row, start + kept :] = 0
        return found

    def step(self, index: int, total: int) -> Step:
        x = {"x": self.places.x(self.tokens)}
        return Step(index, total, {**x, "length": self.length.clone()} if self.counted else x)


def begun(model: Any, n: int, cond: Batch, **options: Any) -> tuple[Sequences, Reading]:
    """The sequences as they begin, with all that is known at the beginning in the cache.

    `known` and `known_mask` among the conditions fix numbers of x. Those before the first free token in the model's order are read by one
    call of `next`. Tells once where known numbers come after free ones: those drawn before them cannot depend on them.
    """
    own = {key: cond[key] for key in ("known", "known_mask") if key in cond and key not in model.conditions}
    if len(own) == 1:
        raise UsageError("known and known_mask are given together: what is known, and where")
    start = model.begin(n, {key: value for key, value in cond.items() if key not in own})
    given = start.given.clone()
    if own:
        places = Places(model)
        fixed = places.flags(own["known_mask"]) & (given < 0)
        given = torch.where(fixed, places.tokens(own["known"]), given)
    reading = Reading(model, start)
    there = (given >= 0) | (torch.arange(given.shape[1]) < start.length[:, None])
    run = there.long().cumprod(1).sum(1)
    if bool((there.sum(1) > run).any()):
        note("known numbers come after free ones in the model's order: what is drawn before them does not depend on them")
    sequences = Sequences(model, given, torch.maximum(run, start.length), **options)
    catch_up(reading, sequences)
    return sequences, reading


def catch_up(reading: Reading, sequences: Sequences) -> None:
    """Let a model read all tokens that it has not read of rows that go on."""
    count = torch.where(sequences.length < sequences.limit, sequences.length - reading.length, 0).clamp(min=0)
    if most := int(count.max()) if len(count) else 0:
        places = (reading.length[:, None] + torch.arange(most)).clamp(max=sequences.tokens.shape[1] - 1)
        reading.feed(sequences.tokens.gather(1, places), count)
