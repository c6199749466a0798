"""What is asked of examples place by place: the next token, the missing numbers, the steps to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...noise import Philox
from ...protocols import Forecaster, Imputer, NextToken, can
from ...samplers.places import Places
from ..fitting import fits
from ..registry import Failure, Skip, check
from ..trial import ModelTrial
from .answers import distance
from .sampling import CLOSE

if TYPE_CHECKING:
    from torch import Tensor

CACHED = 1e-4  # of the scale of logits: what attention with a cache may differ by from attention without
ROWS = 4
AHEAD = 5  # steps of a forecast


@check("model")
def next_token(trial: ModelTrial) -> None:
    """Token by token through the cache gives the logits of the same tokens at once, the old cache stays valid after `next`, rows of a cache
    can be picked, and a prompt is the same as its tokens. Samplers pick, repeat, drop and take back rows of the cache."""
    import torch

    from ...inference.sampling import evaluating

    model = trial.model
    if not can(model, NextToken):
        raise Skip("it predicts no next token")
    places = Places(model)
    if not places.vocabulary or (not places.leaf.classes and places.leaf.range is None):
        raise Failure("a NextToken model's x has `classes`, or `levels` and a `range`: these are its tokens")
    k = min(places.room - 1, 6)
    batch = trial.examples(ROWS)
    tokens = places.tokens(batch["x"])[:, :k]
    cond = {name: value for name, value in batch.items() if name in model.conditions}
    with torch.no_grad(), evaluating(model):
        begun = model.begin(len(tokens), cond)
        _begun(begun, len(tokens), places.room, places.vocabulary)
        at_once, _ = model.next(tokens, begun.cache, begun.length)
        logits, cache, length = [], begun.cache, begun.length
        for i in range(k):
            out, after = model.next(tokens[:, i : i + 1], cache, length)
            if i == k // 2:  # what might have been
                model.next((tokens[:, i : i + 1] + 1) % places.vocabulary, cache, length)
                again, _ = model.next(tokens[:, i : i + 1], cache, length)
                _close(again, out, "after another token was tried from it, the old cache gives other logits")
            logits.append(out)
            cache, length = after, length + 1
        _close(torch.cat(logits, 1), at_once, f"{k} tokens one by one give other logits than at once")
        fresh = model.begin(len(tokens), cond)
        chosen = torch.tensor([len(tokens) - 1, 0])
        picked, _ = model.next(tokens[chosen], {name: value[chosen] for name, value in fresh.cache.items()}, fresh.length[chosen])
        _close(picked, at_once[chosen], "picked rows of a cache give other logits")
        _prompted(model, tokens, at_once, cond)


def _begun(begun: Any, n: int, room: int, classes: int) -> None:
    wanted = {"logits": (n, classes), "given": (n, room), "length": (n,)}
    for name, shape in wanted.items():
        if tuple(getattr(begun, name).shape) != shape:
            raise Failure(f"{name} of begin is {tuple(getattr(begun, name).shape)}, not {shape}")
    if wrong := [name for name, value in begun.cache.items() if len(value) != n]:
        raise Failure(f"'{wrong[0]}' of the cache has {len(begun.cache[wrong[0]])} rows first, not {n}")


def _prompted(model: Any, tokens: Tensor, at_once: Tensor, cond: dict[str, Tensor]) -> None:
    """Where a condition is a row of tokens as long as an example: begun with the tokens, as after them."""
    for name, condition in model.conditions.items():
        if condition.kind == "text" and condition.length == Places(model).room:
            prompt = condition.prepare(tokens.tolist(), len(tokens))
            begun = model.begin(len(tokens), {**cond, name: prompt})
            if int(begun.length.min()) == tokens.shape[1]:
                _close(begun.logits, at_once[:, -1], f"begun with '{name}', the logits are others than after its tokens")


def _close(one: Tensor, other: Tensor, what: str) -> None:
    if (far := distance(one, other)) > CACHED:
        raise Failure(f"{what}, by {far:.1e} of their scale")


@check("model")
def imputes(trial: ModelTrial) -> None:
    """`impute` keeps what is known bit for bit, draws the rest from the noise it is given, row by row, and does not look at what stands
    where nothing is known."""
    import torch

    from ...inference.sampling import evaluating

    model = trial.model
    if not can(model, Imputer):
        raise Skip("it fills nothing in")
    batch = trial.examples()
    x = batch["x"]
    n = len(x)
    known = Philox(0, range(n)).fork("known").uniform(*x.shape[1:]) < 0.5
    if "length" in batch:  # padding is nothing to fill in
        inside = torch.arange(x.shape[1]) < batch["length"][:, None]
        known |= ~inside.view(*inside.shape, *[1] * (x.ndim - 2))
    hidden = x.where(known, torch.zeros_like(x))
    other = x.where(known, torch.ones_like(x))

    def filled(values: Tensor, rows: slice = slice(0, n)) -> Tensor:
        told = {**{name: value[rows] for name, value in batch.items()}, "x": values[rows].clone()}
        found: Tensor = model.impute(told, known[rows], Philox(0, range(n)[rows]))
        return found.to(x.dtype)

    with torch.no_grad(), evaluating(model):
        torch.manual_seed(1)
        whole = filled(hidden)
        fits({"x": whole}, {"x": model.data.leaves["x"]}, "impute", (n,), drawn=True)
        if not torch.equal(whole[known], x[known]):
            raise Failure(f"impute changes {int((whole != x)[known].sum())} of {int(known.sum())} known values")
        torch.manual_seed(2)
        if not torch.equal(filled(hidden), whole):
            raise Failure("impute differs the second time: draw from `noise`")
        if not torch.equal(filled(other), whole):
            raise Failure("impute depends on what stands where nothing is known")
        rows = torch.cat([filled(hidden, slice(i, i + 1)) for i in range(n)])
        if (far := distance(rows, whole)) > CLOSE * whole.is_floating_point():
            raise Failure(f"impute one by one is off by {far:.1e} of its scale from all at once")


@check("model")
def forecasts(trial: ModelTrial) -> None:
    """`fitted` gives every step its mean given those before, and none that come, and NaN only at a series' start and behind its end;
    `forecast` gives finite means and deviations above 0, the first of them the same however many steps are asked for, row by row."""
    import torch

    from ...inference.sampling import evaluating

    model = trial.model
    if not can(model, Forecaster):
        raise Skip("it forecasts nothing")
    batch = trial.examples()
    x = batch["x"]
    with torch.no_grad(), evaluating(model):
        fitted = model.fitted(batch)
        long, short = (model.forecast(batch, steps) for steps in (AHEAD, 2))
        later = x.clone()
        later[:, -1] += 1.0
        peeked = model.fitted({**batch, "x": later})
        alone = model.forecast({name: value[:1] for name, value in batch.items()}, 2)
    if fitted.shape != x.shape:
        raise Failure(f"fitted of {tuple(x.shape)} has shape {tuple(fitted.shape)}")
    if (far := distance(peeked.nan_to_num(), fitted.nan_to_num())) > CLOSE:
        raise Failure(f"fitted changes by {far:.1e} of its scale with the last value of a series, which comes after all that it says")
    if (far := distance(alone.mean, short.mean[:1])) > CLOSE:
        raise Failure(f"the forecast of a series depends on the others, by {far:.1e} of its scale")
    length = batch.get("length", torch.full((len(x),), x.shape[1]))
    for i, (row, steps) in enumerate(zip(fitted, length.tolist(), strict=True)):
        there = row[:steps].isfinite().flatten(1).all(1)
        if not bool(there.any()) or not bool(there[int(there.int().argmax()) :].all()):
            raise Failure(f"fitted of example {i} has {int((~there).sum())} steps without a mean, not only at its start")
    for name, value, first in (("mean", long.mean, short.mean), ("std", long.std, short.std)):
        if value.shape != (len(x), AHEAD, x.shape[2]) or not bool(value.isfinite().all()):
            raise Failure(f"{name} of a forecast of {AHEAD} steps is {tuple(value.shape)}, or not finite")
        if (far := distance(value[:, :2], first)) > CLOSE:
            raise Failure(f"{name} of the first 2 steps differs by {far:.1e} of its scale when {AHEAD} are asked for")
    if not bool((long.std > 0).all()):
        raise Failure("the deviation of a forecast must be above 0")
