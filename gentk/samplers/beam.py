"""Beam search: the likeliest sequence, looked for among the `width` likeliest beginnings of each length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from ..errors import UsageError
from ..protocols import Noise, Step
from .autoregressive import TokenSampler

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Batch
    from .reading import Reading
    from .sequences import Sequences

NO = float("-inf")


class Best:
    """The best finished sequence of each row so far: `score` (n,) and the sequences."""

    def __init__(self, rows: Sequences) -> None:
        import torch

        self.rows, self.score = rows, torch.full((len(rows),), NO, dtype=torch.float64)

    def offer(self, which: Tensor, found: Sequences, score: Tensor) -> None:
        """Sequences (m) with scores (m,), of rows `which` (m,)."""
        order = score.argsort(stable=True)  # the best of a row comes last
        for i in order.tolist():
            row = int(which[i])
            if score[i] > self.score[row]:
                self.score[row] = score[i]
                self.rows.tokens[row], self.rows.length[row] = found.tokens[i], found.length[i]


class Beam(TokenSampler):
    """Beam search (Graves 2012; scores as Wu et al. 2016, eq. 14, with length^α): log p(x) / (drawn tokens)^α. Nothing is random.

    It ends when no beginning can beat the best finished sequence. Given tokens count in log p, so that beginnings are compared by how well
    they lead to what is given.
    """

    most: ClassVar[int] = 64  # rows at a time: each has `width` beams with a cache of their own
    width: Annotated[int, Field(ge=1, le=1000)] = Field(4, description="Beginnings kept at a time; 1 is greedy.")
    length_penalty: Annotated[float, Field(ge=-10, le=10)] = Field(0.0, description="Above 0 favours long texts; 0: the likeliest.")

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        import torch

        if getattr(model, "draft", None) is not None:
            raise UsageError("--draft: beam search has no use for a draft; choose --sampler autoregressive")
        rows, reading = self.begun(model, n, cond)
        best = Best(rows)
        live = torch.arange(n)[rows.length < rows.limit]
        total = int(rows.limit - rows.length.min()) if n else 0
        if not len(live):
            yield rows.step(0, 0)
            return
        wide = live.repeat_interleave(self.width)
        beams = rows.pick(wide)
        reading.pick(wide)
        chance = torch.full((len(live), self.width), NO, dtype=torch.float64)
        chance[:, 0] = 0  # at first all beams of a row are one
        for i in range(1, total + 1):
            beams, parents, chance = self.grown(beams, reading, chance, live, best)
            goes = (chance[:, 0] > self.goal(chance[:, 0], beams, best.score[live])).nonzero()[:, 0]
            yield self.leading(rows, beams, chance, live, best).step(i, total)
            if not len(goes):
                break
            inside = (goes[:, None] * self.width + torch.arange(self.width)).flatten()
            live, chance, beams = live[goes], chance[goes], beams.pick(inside)
            reading.pick(parents[inside])
            reading.feed(beams.tokens.gather(1, beams.length[:, None] - 1))
        if bool((best.score[wide] == NO).any()):
            raise UsageError("beam: the model gives no sequence that fits any probability")

    def grown(
        self, beams: Sequences, reading: Reading, chance: Tensor, live: Tensor, best: Best
    ) -> tuple[Sequences, Tensor, Tensor]:
        """The `width` likeliest unfinished sequences of each row with one token more (the likeliest first), which beam each came from, and
        log p (rows, width). Finished ones are offered to `best`."""
        import torch

        logits = reading.logits.float().log_softmax(-1).cpu().double()
        if beams.language:
            logits = logits.masked_fill(~beams.language.allowed(beams.states, beams.limit - beams.length), NO)
        given = beams.given.gather(1, beams.length[:, None])
        asked = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, given.clamp(min=0), True)
        logits = logits.masked_fill((given >= 0) & ~asked, NO)
        m, v = len(chance), logits.shape[-1]
        whole = (chance[..., None] + logits.view(m, self.width, v)).flatten(1)
        found = whole.topk(min(2 * self.width, whole.shape[1]))  # each beam has one stop token, so as many go on
        parents = (found.indices // v + self.width * torch.arange(m)[:, None]).flatten()
        made = beams.pick(parents)
        ended = made.write(torch.arange(len(made)), (found.indices % v).flatten())
        score = found.values.flatten()
        over = (ended & (score > NO)).nonzero()[:, 0]
        drawn = (made.length - made.start).clamp(min=1)
        best.offer(live[over // found.values.shape[1]], made.pick(over), (score / drawn**self.length_penalty)[over])
        open_ = found.values.masked_fill(ended.view(found.values.shape), NO).topk(self.width)
        places = torch.where(open_.values > NO, open_.indices, open_.indices[:, :1])  # in place of one that has ended, the first again
        kept = (places + found.values.shape[1] * torch.arange(m)[:, None]).flatten()
        return made.pick(kept), parents[kept], open_.values

    def goal(self, chance: Tensor, beams: Sequences, score: Tensor) -> Tensor:
        """The log p that each row's beams need at least, so that one of them may still beat the best finished sequence."""
        import torch

        first = beams.pick(torch.arange(0, len(beams), self.width))
        drawn = first.length - first.start
        most = first.limit - first.start if self.length_penalty > 0 else drawn + 1
        return score * most.double() ** self.length_penalty

    def leading(self, rows: Sequences, beams: Sequences, chance: Tensor, live: Tensor, best: Best) -> Sequences:
        """What to show: of rows that go on and have nothing finished, the likeliest beginning."""
        import torch

        shown = rows.pick(torch.arange(len(rows)))
        none = ((best.score[live] == NO) & (chance[:, 0] > NO)).nonzero()[:, 0]
        shown.tokens[live[none]] = beams.tokens[none * self.width]
        shown.length[live[none]] = beams.length[none * self.width]
        return shown
