"""Speculative decoding: a small model drafts tokens, the large one reads all of them at once and keeps those that fit its own law.

Leviathan, Kalman & Matias 2023 (alg. 1); Chen et al. 2023 (alg. 2). With p the law of the model and q that of the draft, a proposal x ~ q
is kept with probability min(1, p(x)/q(x)); the first that is not kept is replaced by a draw from (p − q)₊, normalised; where all are kept,
the model's last logits give one more token. What is drawn follows p exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import UsageError
from ..noise import pick
from ..protocols import Batch, Begun, Noise, Step
from .autoregressive import IMPOSSIBLE, AutoRegressive
from .beside import Beside, checked
from .reading import Reading, replaced, rows_of
from .sequences import Sequences, catch_up
from .token_guidance import guided_tokens


class Drafted(Beside):
    """A NextToken model with a smaller one, `draft`, that proposes its tokens."""

    def __init__(self, inner: Any, draft: Any) -> None:
        super().__init__(inner)
        checked(inner, draft, "--draft")
        self.draft = draft


def drafted(model: Any, draft: Any) -> Any:
    """`model`, whose tokens `draft` proposes. Raises UsageError unless both are NextToken models of one vocabulary and order."""
    return Drafted(model, draft)


class Proposal(NamedTuple):
    """Tokens (n, k) that the draft proposes, of row i the first room[i], and the law (n, k, V) that each was drawn from."""

    tokens: Tensor
    room: Tensor
    law: Tensor
    states: Tensor  # (n, k + 1): of the pattern, before each token and after all
    caches: list[Any]  # the draft's, after all that is written and after each proposal but the last


def speculative(sampler: AutoRegressive, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
    """The steps of `sampler`, a yield after each round of up to `ahead` + 1 tokens. Each round takes the same numbers from each row's
    stream, so that no row depends on another."""
    rows, large = sampler.begun(model, n, cond)
    small = _draft_reading(sampler, model, n, rows, cond)
    live = torch.arange(n)[rows.length < rows.limit]
    start = int(rows.length.min()) if n else 0
    total = rows.limit - start
    for reading in (large, small):
        reading.pick(live)
    own = noise[live.tolist()]
    if not len(live):
        yield rows.step(0, 0)
        return
    law = _law(sampler, rows, live, rows.tokens[live], rows.length[live], rows.states[live], large.logits)
    if bool(law.isnan().any()):
        raise UsageError(IMPOSSIBLE)
    last = pick(law.log(), own.uniform())  # the first token is the model's own, so that each round begins with one that none has read
    ended, index = rows.write(live, last), 0
    while True:
        index = max(index + 1, int(rows.length[live].min()) - start)
        yield rows.step(index, total)
        keep = (~ended).nonzero()[:, 0]
        if not len(keep):
            return
        if len(keep) < len(live):
            live, last, own = live[keep], last[keep], own[keep.tolist()]
            large.pick(keep)
            small.pick(keep)
        last, ended = _round(sampler, rows, live, last, (large, small), own.uniform(2 * sampler.ahead + 1))


def _draft_reading(sampler: AutoRegressive, model: Any, n: int, rows: Sequences, cond: Batch) -> Reading:
    """The draft, having read what is known, under the model's guidance where the draft, too, was trained for it."""
    draft, heard = model.draft, {key: value for key, value in cond.items() if key in model.draft.conditions}
    if any(condition.null(1) is not None for condition in draft.conditions.values()):
        draft = guided_tokens(draft, sampler.guidance)
    small = Reading(draft, draft.begin(n, heard))
    if bool((small.length > rows.length).any()):
        raise UsageError("--draft: it begins with more tokens than the model does")
    catch_up(small, rows)
    return small


def _law(
    sampler: AutoRegressive, rows: Sequences, live: Tensor, tokens: Tensor, length: Tensor, states: Tensor, logits: Tensor
) -> Tensor:
    """Chances (n, V), on the host, of the token after `tokens` (n, L), of which `length` (n,) count. A given token is certain.

    NaN where all that is allowed has a probability of 0.
    """
    allowed = None
    if rows.language:
        allowed = rows.language.allowed(states, rows.limit - length)
        allowed |= ~allowed.any(1, keepdim=True)  # behind the end of a text anything may come: it is cut
    chances = sampler.shaped(logits, tokens, length, allowed, strict=False).softmax(-1).cpu()
    given = rows.given[live, length]
    sure = torch.zeros_like(chances).scatter_(1, given.clamp(min=0)[:, None], 1.0)
    return torch.where((given >= 0)[:, None], sure, chances)


def _proposed(sampler: AutoRegressive, rows: Sequences, live: Tensor, small: Reading, u: Tensor) -> Proposal:
    """The draft reads what is written and goes on by itself. It does not read its last proposal, which is seldom kept."""
    k = u.shape[1]
    room = (rows.limit - rows.length[live] - 1).clamp(max=k)  # with the model's own token, all that there is room for
    tokens, length = rows.tokens[live], rows.length[live]
    states, laws, caches = [rows.states[live]], [], []
    scratch = torch.zeros(len(live), k, dtype=torch.int64)
    catch_up(small, rows.pick(live))
    for j in range(k):
        caches.append(small.cache)
        goes = room > j
        at = torch.where(goes, length + j, 0)
        law = _some(sampler, rows, live, tokens, at, states[-1], small.logits, goes)
        new = torch.where(goes, pick(law.log(), u[:, j]), 0)
        scratch[:, j] = new
        tokens[goes, at[goes]] = new[goes]
        after = rows.language.next(states[-1], new) if rows.language else states[-1]
        states.append(torch.where(goes, after, states[-1]))
        laws.append(law)
        if j < k - 1:
            small.feed(new[:, None], (room > j + 1).long())
    return Proposal(scratch, room, torch.stack(laws, 1), torch.stack(states, 1), caches)


def _some(
    sampler: AutoRegressive, rows: Sequences, live: Tensor, tokens: Tensor, at: Tensor, states: Tensor, logits: Tensor, which: Tensor
) -> Tensor:
    """`_law` of some rows; the others are sure of token 0, and nobody asks."""
    if bool(which.all()):
        return _proper(_law(sampler, rows, live, tokens, at, states, logits), rows, at, states)
    found = torch.zeros(len(live), logits.shape[-1])
    found[:, 0] = 1
    if bool(which.any()):
        some = which.nonzero()[:, 0]
        law = _law(sampler, rows, live[some], tokens[some], at[some], states[some], logits[some.to(logits.device)])
        found[some] = _proper(law, rows, at[some], states[some])
    return found


def _proper(law: Tensor, rows: Sequences, length: Tensor, states: Tensor) -> Tensor:
    """The draft's law; where it rules out all that is allowed, anything allowed is proposed, as the model may think otherwise."""
    wrong = law.isnan().any(1)
    if rows.language and bool(wrong.any()):
        allowed = rows.language.allowed(states[wrong], rows.limit - length[wrong]).float()
        law[wrong] = allowed / allowed.sum(1, keepdim=True)
    return law


def _round(
    sampler: AutoRegressive, rows: Sequences, live: Tensor, last: Tensor, readings: tuple[Reading, Reading], u: Tensor
) -> tuple[Tensor, Tensor]:
    """Propose, judge, write → the last token of each row, and which rows have ended. `u`: (n, 2 ahead + 1) uniform numbers."""
    large, small = readings
    k = sampler.ahead
    base, written = large.length.clone(), rows.length[live]
    made = _proposed(sampler, rows, live, small, u[:, :k])
    before = large.cache
    logits = large.feed(torch.cat([last[:, None], made.tokens], 1), made.room + 1)
    kept, new = _judged(sampler, rows, live, made, logits, u[:, k:])
    ended = _written(rows, live, made.tokens, kept, new)
    _take_back(large, before, torch.cat([last[:, None], made.tokens], 1), base, made.room + 1, kept + 1)
    read = torch.minimum(kept, (made.room - 1).clamp(min=0))
    small.length = written + read
    if not small.positional:
        small.cache = _chosen(made.caches, read)
    return new, ended


def _judged(sampler: AutoRegressive, rows: Sequences, live: Tensor, made: Proposal, logits: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """How many proposals of each row are kept, and the model's own token after them. `u`: (n, ahead + 1) uniform numbers."""
    n, k = made.tokens.shape
    place, row = torch.arange(k), torch.arange(n)
    proposes = place < made.room[:, None]
    at = rows.length[live][:, None] + torch.arange(k + 1)
    tokens = rows.tokens[live]
    tokens[row[:, None].expand(n, k)[proposes], at[:, :k][proposes]] = made.tokens[proposes]
    many, history = live.repeat_interleave(k + 1), tokens.repeat_interleave(k + 1, 0)
    length = at.clamp(max=rows.limit - 1).flatten()  # behind the room nobody looks
    p = _law(sampler, rows, many, history, length, made.states.flatten(), logits.flatten(0, 1)).view(n, k + 1, -1)
    x = made.tokens[..., None]
    chance = p[:, :k].gather(2, x)[..., 0] / made.law.gather(2, x)[..., 0]
    kept = ((u[:, :k] < chance) & proposes).long().cumprod(1).sum(1)
    own = p[row, kept]
    if bool(own.isnan().any()):
        raise UsageError(IMPOSSIBLE)
    q = torch.where((kept < made.room)[:, None], made.law[row, kept.clamp(max=k - 1)], 0.0)
    rest = (own - q).clamp(min=0)
    rest = torch.where(rest.sum(1, keepdim=True) > 0, rest, own)
    return kept, pick(rest.log(), u[:, -1])


def _written(rows: Sequences, live: Tensor, proposed: Tensor, kept: Tensor, new: Tensor) -> Tensor:
    """Write what is kept and the model's own token, until a row ends."""
    ended = torch.zeros(len(live), dtype=torch.bool)
    for j in range(int(kept.max()) + 1):
        goes = (~ended & (kept >= j)).nonzero()[:, 0]
        if len(goes):
            token = torch.where(kept == j, new, proposed[:, min(j, proposed.shape[1] - 1)])[goes]
            ended[goes] = rows.write(live[goes], token)
    rows.check(live)
    return ended


def _take_back(large: Reading, before: Any, tokens: Tensor, base: Tensor, fed: Tensor, wanted: Tensor) -> None:
    """Let the model forget the proposals that were not kept: by their number, or, of a state, by reading again what was kept."""
    if large.positional:
        large.length = base + wanted
        return
    again = (wanted < fed).nonzero()[:, 0]
    if len(again):
        part = Reading(large.model, Begun(large.logits[again.to(large.logits.device)], rows_of(before, again), wanted, base[again]))
        part.feed(tokens[again], wanted[again])
        large.cache = replaced(large.cache, again, part.cache)
    large.length = base + wanted


def _chosen(caches: list[Any], which: Tensor) -> dict[str, Tensor]:
    """Of each row, the cache after its `which`-th proposal."""
    found = {}
    for key, value in caches[0].items():
        place = torch.arange(len(which), device=value.device)
        found[key] = torch.stack([cache[key] for cache in caches])[which.to(value.device), place]
    return found
