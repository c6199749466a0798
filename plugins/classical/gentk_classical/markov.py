"""`markov`: each token depends on the n before it (Markov 1913; Shannon 1948)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.conditions import Text
from gentk.errors import UsageError
from gentk.protocols import Batch, Begun, DataSpec, Leaf, Noise
from gentk.vocabulary import joined

from .config import MarkovConfig
from .emissions import shares
from .recurrence import classes, steady_states
from .tokens import lengths, stop_token

MOST = 1 << 25  # counts in one table: contexts of full order times tokens
SMALL = 1024  # states of a chain whose classes and steady states are worked out
FREE = 1 << 62  # a code of no context


class Markov(nn.Module):
    """p(x) = ∏_t p(x_t | x_t−n … x_t−1), tokens x (L,), of which the leaf `length` says how many count.

    Before the first token stand n beginnings, a token of their own that is never drawn, so how texts start is learnt as everything else.
    The law after a context c of m tokens leans on that of c′, the context without its oldest token (MacKay and Peto 1995):

        p(v | c) = (N(c, v) + α p(v | c′)) / (N(c) + α),    after no token at all: c′ says each of V alike.

    So after a context that was never seen, the law is that of its longest seen end, and α = 0 is maximum likelihood. Kept are the
    `contexts` that were seen most often, of any order: buffers contexts (R,) int64, sorted codes, and probability (R, V) float64.
    """

    Config = MarkovConfig
    config: MarkovConfig
    likelihood: Literal["exact"] = "exact"
    passes = 1
    contexts: Tensor
    probability: Tensor

    def __init__(self, config: MarkovConfig, data: DataSpec) -> None:
        super().__init__()
        leaf = data.leaves["x"]
        if len(leaf.shape) != 1 or not leaf.classes:
            raise UsageError(f"a Markov chain wants rows of tokens, (length,) with classes; x is {leaf.shape}, {leaf.classes} classes")
        self.config, self.data, self.reach, self.tokens = config, data, config.order, leaf.classes
        self.length, self.beginning, self.any = leaf.shape[0], leaf.classes, leaf.classes + 1
        full = (self.tokens + 1) ** self.reach
        if full * self.tokens > MOST:
            text = f"order {self.reach} of {self.tokens} tokens makes {full * self.tokens:,} counts, more than {MOST:,}"
            raise UsageError(f"{text}: take a lower order" if self.reach > 1 else f"{text}: take characters")
        self.names, self.words = leaf.names or tuple(map(str, range(self.tokens))), leaf.words
        self.stop = stop_token(config.stop, data)
        self.conditions = {"prompt": Text(length=self.length, names=self.names, words=self.words, help="What every sample begins with.")}
        rows = min(config.contexts, sum((self.tokens + 1) ** m for m in range(self.reach + 1)))
        codes, law = [(self.any + 1) ** self.reach - 1], torch.full((rows, self.tokens), 1 / self.tokens, dtype=torch.float64)
        if config.matrix is not None:
            codes = list(range(self.any + 1))
            law = torch.cat([self._given(config.matrix, config.start), law[self.any :]])
        self.register_buffer("contexts", torch.tensor(codes + [FREE] * (rows - len(codes))))
        self.register_buffer("probability", law)

    @classmethod
    def given(
        cls, matrix: Sequence[Sequence[float]], *, start: Sequence[float] | None = None, length: int = 100, names: Sequence[str] = ()
    ) -> Markov:
        """The chain of a transition matrix (V, V), which needs no data: its texts have `length` tokens, called `names`."""
        config = MarkovConfig.model_validate({"matrix": matrix, "start": start, "contexts": max(10_000, len(matrix) + 2)})
        leaf = Leaf(shape=(length,), classes=len(matrix), names=tuple(names))
        return cls(config, DataSpec(modality="text", leaves={"x": leaf}))

    def _given(self, matrix: Sequence[Sequence[float]], start: Sequence[float] | None) -> Tensor:
        """Rows for each token and for the beginning."""
        if len(matrix) != self.tokens:
            raise UsageError(f"the matrix is of {len(matrix)} tokens, these data have {self.tokens}")
        return torch.tensor([*matrix, start or [1 / self.tokens] * self.tokens], dtype=torch.float64)

    # ---- contexts: n tokens, oldest first; their code has a digit for each, and in a shorter one the oldest are `any`
    def _code(self, context: Tensor) -> Tensor:
        code = torch.zeros_like(context[..., 0])
        for digit in context.unbind(-1):
            code = code * (self.any + 1) + digit
        return code

    def _rows(self, context: Tensor) -> Tensor:
        """The row of the longest kept end of each context (…, n): (…)."""
        place = torch.arange(self.reach, device=context.device)
        row = torch.zeros_like(context[..., 0])
        for m in range(self.reach + 1):
            code = self._code(torch.where(place < self.reach - m, self.any, context))
            at = torch.searchsorted(self.contexts, code).clamp(max=len(self.contexts) - 1)
            row = torch.where(self.contexts[at] == code, at, row)
        return row

    def law(self, context: Tensor) -> Tensor:
        """p(· | the n tokens before), (…, n) → (…, V)."""
        return self.probability[self._rows(context)]

    def _before(self, x: Tensor) -> Tensor:
        """The context of each token, and of the one after the last: (n, L) → (n, L + 1, order)."""
        start = x.new_full((len(x), self.reach), self.beginning)
        return torch.cat([start, x], 1).unfold(1, self.reach, 1)

    # ---- the fit
    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """How often each token follows each context of full order, ((V + 1)ⁿ, V)."""
        x = batch["x"]
        counted = torch.arange(self.length, device=x.device) < lengths(batch, self.length)[:, None]
        code = torch.zeros_like(x)
        for digit in self._before(x)[:, :-1].unbind(-1):
            code = code * (self.tokens + 1) + digit
        flat = (code * self.tokens + x)[counted]
        full = (self.tokens + 1) ** self.reach
        counts = torch.bincount(flat, minlength=full * self.tokens).view(full, self.tokens).double()
        return {"counts": counts, "count": torch.tensor(float(len(x)), dtype=torch.float64, device=x.device)}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        """The laws; with a matrix they are as given. "log_likelihood" is that of the laws there are now: there is no second pass.

        Raises UsageError for data that a given matrix forbids.
        """
        counts = stats["counts"]
        if self.config.matrix is None:
            self._fit(counts)
        seen = counts.sum(1).nonzero()[:, 0]
        law = self.law(self._digits(seen, self.reach))
        if len(forbidden := ((counts[seen] > 0) & (law == 0)).nonzero()):
            before, after = int(seen[forbidden[0, 0]]), self.names[int(forbidden[0, 1])]
            where = f"after {self.names[before]!r}" if before < self.tokens else "as the first token"
            times = int(counts[before, int(forbidden[0, 1])])
            raise UsageError(f"the given matrix forbids what these data have: {after!r} {where}, {times} times")
        return {"log_likelihood": float(torch.xlogy(counts[seen], law).sum() / stats["count"])}

    def _fit(self, counts: Tensor) -> None:
        tables = [counts]  # of orders n, n − 1 … 0: the oldest token, the first digit, is summed over
        for _ in range(self.reach):
            tables.append(tables[-1].view(self.tokens + 1, -1, self.tokens).sum(0))
        tables.reverse()
        totals = [table.sum(1) for table in tables]
        kept = self._kept(totals)
        law = torch.ones(1, self.tokens, dtype=counts.dtype, device=counts.device) / self.tokens
        codes, laws = [], []
        for m, (table, rows) in enumerate(zip(tables, kept, strict=True)):
            if m:
                ends = rows % (self.tokens + 1) ** (m - 1)
                law = law[torch.searchsorted(kept[m - 1], ends)]
            law = shares(table[rows] + self.config.alpha * law, law)
            codes.append(self._code(self._digits(rows, m)))
            laws.append(law)
        code, order = torch.cat(codes).sort()
        self.contexts.fill_(FREE)
        self.contexts[: len(code)] = code
        self.probability.fill_(1 / self.tokens)
        self.probability[: len(code)] = torch.cat(laws)[order]

    def _kept(self, totals: Sequence[Tensor]) -> list[Tensor]:
        """Of each order, the contexts to keep, in order. An end of a context is seen as often and stands before it, so it is kept too."""
        codes = [total.nonzero()[:, 0] if m else torch.zeros(1, dtype=torch.int64, device=total.device) for m, total in enumerate(totals)]
        often = torch.cat([total[code] for total, code in zip(totals, codes, strict=True)])
        chosen = torch.zeros_like(often, dtype=torch.bool)
        chosen[often.sort(descending=True, stable=True).indices[: len(self.contexts)]] = True
        parts = torch.split(chosen, [len(code) for code in codes])
        return [code[part] for code, part in zip(codes, parts, strict=True)]

    def _digits(self, code: Tensor, m: int) -> Tensor:
        """The context (N, n) of a place in the table of order m, in which the code has no digit for `any`."""
        context = code.new_full((len(code), self.reach), self.any)
        for i in range(m):
            context[:, self.reach - 1 - i] = code // (self.tokens + 1) ** i % (self.tokens + 1)
        return context

    # ---- what it says, and goes on with
    def log_prob(self, batch: Batch, noise: Noise | None = None) -> Tensor:
        """log p(x), (n,): of the tokens that count, a stop token among them."""
        x = batch["x"]
        counted = torch.arange(self.length, device=x.device) < lengths(batch, self.length)[:, None]
        each = self.law(self._before(x)[:, :-1]).gather(2, x[..., None])[..., 0].log()
        return torch.where(counted, each, 0.0).sum(1)

    def begin(self, n: int, cond: Batch) -> Begun:
        given = cond["prompt"].cpu() if "prompt" in cond else torch.full((n, self.length), -1)
        length = (given >= 0).long().cumprod(1).sum(1)
        device = self.probability.device
        tokens = torch.cat([given.new_full((n, self.reach), self.beginning), given.clamp(min=0)], 1).to(device)
        context = tokens.gather(1, length[:, None].to(device) + torch.arange(self.reach, device=device))
        return Begun(self.law(context).log(), {"tokens": tokens}, given, length)

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The cache holds all tokens behind the n beginnings: place i + n has token i."""
        new = length[:, None].to(tokens.device) + torch.arange(tokens.shape[1], device=tokens.device)
        whole = cache["tokens"].scatter(1, new + self.reach, tokens)
        context = whole[:, None].expand(-1, tokens.shape[1], -1).gather(2, new[..., None] + 1 + torch.arange(self.reach, device=new.device))
        return self.law(context).log(), {"tokens": whole}

    # ---- what it does in the end
    def matrix(self) -> Tensor:
        """The chain over contexts of n tokens, (Vⁿ, Vⁿ): from (a, b …) to (b …, c). Raises UsageError where they are too many."""
        states = self.tokens**self.reach
        if states > SMALL:
            raise UsageError(f"{states:,} contexts are more than the {SMALL:,} whose steady states are worked out: take a lower order")
        code = torch.arange(states, device=self.probability.device)
        context = torch.stack([code // self.tokens**i % self.tokens for i in range(self.reach - 1, -1, -1)], 1)
        to = (code * self.tokens % states)[:, None] + torch.arange(self.tokens, device=code.device)
        return torch.zeros(states, states, dtype=torch.float64, device=code.device).scatter_(1, to, self.law(context))

    def steady_states(self) -> Tensor:
        """All extreme stationary distributions over contexts of n tokens, (C, Vⁿ): one for each set of them that is never left."""
        return steady_states(self.matrix())

    def facts(self) -> dict[str, Any]:
        """Order, contexts, and for small chains the closed classes with their periods, steady states and entropy, and what is transient."""
        told: dict[str, Any] = {"order": self.reach, "tokens": self.tokens, "contexts": int((self.contexts < FREE).sum())}
        if self.tokens**self.reach > SMALL:
            return told
        matrix, closed = self.matrix().cpu(), []
        groups = classes(matrix)
        uncertain = -torch.xlogy(matrix, matrix).sum(1)
        for group, law in zip([g for g in groups if g.closed], steady_states(matrix), strict=True):
            law_of = {self._name(s): float(law[s]) for s in group.states}
            closed.append({"period": group.period, "steady_state": law_of, "entropy_rate": float(law @ uncertain)})  # nats a token
        transient = [self._name(s) for g in groups if not g.closed for s in g.states]
        return {**told, "closed_classes": closed, "transient": transient}

    def _name(self, state: int) -> str:
        return joined((state // self.tokens**i % self.tokens for i in range(self.reach - 1, -1, -1)), self.names, words=self.words)
