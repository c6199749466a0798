"""That a density is one: finite, of each example by itself, and the law of what is drawn; that a bound's two parts are its parts."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from ...noise import Philox
from ...protocols import Drawable, LatentPrior, Likelihood, NextToken, RateDistortion, can
from ...samplers.places import Places
from ..registry import Failure, Skip, check
from ..trial import ModelTrial
from .answers import dealt, distance, untouched
from .sampling import CLOSE

if TYPE_CHECKING:
    from torch import Tensor

DRAWN = 2000  # samples that a density is compared with
STATES = 4096  # of a discrete example that are all asked about
NUMBERS = 3  # of a continuous example that a mixture around samples covers well
VALUES = 3  # of the conditions, for each of which it is compared
SEEDS = 20  # for which a bound's two parts are drawn
SIGMA = 6  # standard errors of the comparison that are taken for chance


@check("model")
def log_prob(trial: ModelTrial) -> None:
    """`log_prob` gives each example finite nats, (n,), the same for the same noise, and of that example alone: 16 at once, in batches of 5
    and one by one agree. Means over data sets, classification and comparisons of models are made of it."""
    import torch

    from ...inference.likelihood import log_prob as asked

    model = trial.model
    if not can(model, Likelihood):
        raise Skip("it has no log_prob")
    batch = trial.examples()
    n = len(next(iter(batch.values())))
    torch.manual_seed(1)
    with untouched(batch, "log_prob"):
        whole = asked(model, batch)
    if whole.shape != (n,) or not whole.is_floating_point():
        raise Failure(f"log_prob of {n} examples is {tuple(whole.shape)} {str(whole.dtype).removeprefix('torch.')}, not ({n},) floats")
    if not bool(whole.isfinite().all()):
        raise Failure(f"log_prob of {int((~whole.isfinite()).sum())} of {n} training examples is not finite")
    torch.manual_seed(2)
    if not torch.equal(asked(model, batch), whole):
        raise Failure("log_prob differs the second time: draw from `noise`, and keep no state between calls")
    for size in (5, 1):
        if (far := distance(asked(model, batch, batch_size=size), whole)) > CLOSE:
            raise Failure(f"log_prob in batches of {size} is off by {far:.1e} of its scale")


@check("model")
def rate_distortion(trial: ModelTrial) -> None:
    """`rate_distortion` gives each example two finite numbers of nats, (n,) each, the same for the same noise, and of that example alone. A
    rate is a divergence, so it is not negative; and where there is a `log_prob`, minus their sum is on average not above it."""
    import torch

    from ...inference.likelihood import rate_distortion as asked

    model = trial.model
    if not can(model, RateDistortion):
        raise Skip("it has no rate_distortion")
    batch = trial.examples()
    n = len(next(iter(batch.values())))
    torch.manual_seed(1)
    with untouched(batch, "rate_distortion"):
        whole = asked(model, batch)
    torch.manual_seed(2)
    again = asked(model, batch)
    for name, value, second in zip(("rate", "distortion"), whole, again, strict=True):
        if value.shape != (n,) or not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise Failure(f"the {name} of {n} examples is {tuple(value.shape)} {kind}, not ({n},) floats")
        if not bool(value.isfinite().all()):
            raise Failure(f"the {name} of {int((~value.isfinite()).sum())} of {n} training examples is not finite")
        if not torch.equal(value, second):
            raise Failure(f"the {name} differs the second time: draw from `noise`, and keep no state between calls")
    for size in (5, 1):
        for name, value, part in zip(("rate", "distortion"), whole, asked(model, batch, batch_size=size), strict=True):
            if (far := distance(part, value)) > CLOSE:
                raise Failure(f"the {name} in batches of {size} is off by {far:.1e} of its scale")
    if float(whole[0].min()) < -1e-4 * max(1.0, float(whole[0].abs().max())):
        raise Failure(f"a rate is {float(whole[0].min()):.4g}: a divergence is never negative")
    if can(model, Likelihood) and model.likelihood != "estimate":
        _bounded(model, batch)


def _bounded(model: Any, batch: dict[str, Tensor]) -> None:
    """Raises Failure where −(rate + distortion) is above log p(x), or a tighter bound on it, by more than chance."""
    import torch

    from ...inference.likelihood import log_prob as likely
    from ...inference.likelihood import rate_distortion as asked

    draws = [(*asked(model, batch, seed=seed), likely(model, batch, seed=seed)) for seed in range(SEEDS)]
    above = torch.stack([-(rate + distortion + nats).double().mean() for rate, distortion, nats in draws])
    error = float(above.std()) / math.sqrt(SEEDS)
    if float(above.mean()) > SIGMA * error + 1e-3:
        raise Failure(f"−(rate + distortion) is {float(above.mean()):.4g} nats above log_prob (standard error {error:.2g}): it is a bound")


@check("model")
def log_prob_sampling(trial: ModelTrial) -> None:
    """Where `likelihood` is "exact" and an example is small, the density and the samples are one law, under each of a few conditions.
    Discrete: the chances of all states sum to 1, and samples are as frequent as they say. Continuous: the density integrates to 1 and gives
    the samples' moments, by importance sampling from a mixture around samples, to six standard errors. A bound sums or integrates to no
    more than 1. A forgotten constant or Jacobian shows here and nowhere else."""
    model = trial.model
    if not can(model, Likelihood):
        raise Skip("it has no log_prob")
    if model.likelihood == "estimate":
        raise Skip("its likelihood is an estimate")
    if extra := sorted(set(model.data.leaves) - {"x", "length"}):
        raise Skip(f"an example has a leaf '{extra[0]}' too")
    leaf = model.data.leaves["x"]
    size = math.prod(leaf.shape)
    values = leaf.classes or (leaf.levels if can(model, NextToken) else 0)
    small = values and values**size <= STATES
    if not small and (leaf.classes or leaf.levels or size > NUMBERS or "length" in model.data.leaves):
        raise Skip("its examples are neither few numbers nor one of few states")
    for cond in _fixed(trial):
        (_discrete if small else _continuous)(trial, cond)


def _fixed(trial: ModelTrial) -> list[dict[str, Tensor]]:
    """The conditions of the first few examples that are asked for different things, each (1, …): a density may be one for some only."""
    batch = {name: value for name, value in trial.examples().items() if name in trial.model.conditions}
    found: dict[str, dict[str, Tensor]] = {}
    for i in range(len(next(iter(batch.values()), ()))):
        cond = {name: value[i : i + 1] for name, value in batch.items()}
        found.setdefault(str([value.tolist() for value in cond.values()]), cond)
    return list(found.values())[:VALUES] or [{}]


def _sampler(model: Any) -> Any:
    """One that draws from the model's law itself. Raises Skip where none of the core does."""
    from ...host import lookup

    for capability, name in ((Drawable, "direct"), (NextToken, "autoregressive"), (LatentPrior, "prior")):
        if can(model, capability):
            return lookup.sampler(name)
    raise Skip("no sampler of the core draws from its law exactly")


def _asked(trial: ModelTrial, x: Tensor, cond: dict[str, Tensor], **extra: Tensor) -> Tensor:
    """log p(x | cond), (n,) float64."""
    import torch

    from ...inference.sampling import evaluating

    n = len(x)
    told = {name: value.expand(n, *value.shape[1:]) for name, value in cond.items()}
    with torch.no_grad(), evaluating(trial.model):
        found: Tensor = trial.model.log_prob({"x": x, **told, **extra}, Philox(0, range(n)))
    return found.double()


def _discrete(trial: ModelTrial, cond: dict[str, Tensor]) -> None:
    import torch

    places = Places(trial.model)
    values, size = places.vocabulary, places.room
    states = torch.tensor(list(itertools.product(range(values), repeat=size)))
    counted = "length" in trial.model.data.leaves
    if counted and getattr(trial.model, "stop", None) is not None:
        raise Skip("a stop token ends its examples, so states of full length are not all there are")
    full = {"length": torch.full((len(states),), size)} if counted else {}
    chance = _asked(trial, places.x(states), cond, **full).exp()
    if trial.model.likelihood == "bound":  # its mean over draws of latents is a density, or less
        if float(chance.sum()) > 2:
            raise Failure(f"the bounds of all {len(states)} states sum to {float(chance.sum()):.6g}: chances sum to 1, a bound is below")
        return
    if abs(float(chance.sum()) - 1) > 1e-4:
        raise Failure(f"the chances of all {len(states)} states sum to {float(chance.sum()):.6g}, not to 1")
    drawn = trial.draw(DRAWN, sampler=_sampler(trial.model), cond=cond).batch
    x = places.tokens(drawn["x"])
    x = x[drawn["length"] == size] if counted else x
    n, what = max(len(x), 1), "place" if places.order is None else "token"
    for k, j in itertools.product(range(values), range(size)):
        wanted, found = float(chance[states[:, j] == k].sum()), float((x[:, j] == k).sum()) / n
        if abs(found - wanted) > SIGMA * math.sqrt(wanted * (1 - wanted) / n) + SIGMA**2 / n:
            raise Failure(f"{what} {j} is {k} in {found:.4f} of {n} samples, by log_prob in {wanted:.4f}")


def _continuous(trial: ModelTrial, cond: dict[str, Tensor]) -> None:
    """E_p f = E_q[f p / q] for q a mixture of wide Gaussians around samples, and f = 1, cos and sin along some directions."""
    import torch

    shape = trial.model.data.shape
    bound = trial.model.likelihood == "bound"  # wherever its mass is, there is no more than 1 of it, so near the data, too
    drawn = dealt(trial.examples(DRAWN)["x"], DRAWN) if bound else trial.draw(DRAWN, sampler=_sampler(trial.model), cond=cond)["x"]
    x = drawn.double().reshape(DRAWN, -1)
    centres, x = x[: DRAWN // 2], x[DRAWN // 2 :]
    noise = Philox(1, range(DRAWN))
    d = x.shape[1]
    width = 0.5 * centres.std(0).clamp(min=1e-6)
    scales = torch.tensor([0.1, 1.0, 4.0], dtype=torch.float64)  # narrow ridges, the body, far tails
    kind = (noise.uniform() * 3).long()
    y = centres[torch.arange(DRAWN) % len(centres)] + scales[kind, None] * width * noise.normal(d).double()
    apart = torch.cdist(y / width, centres / width)[..., None] / scales
    log_q = (-0.5 * apart**2 - d * scales.log()).flatten(1).logsumexp(1) - math.log(3 * len(centres))
    log_q = log_q - width.log().sum() - d / 2 * math.log(2 * math.pi)
    weight = (_asked(trial, y.float().view(-1, *shape), cond) - log_q).exp()
    if not bool(weight.isfinite().all()):
        raise Failure("log_prob near its samples is not finite")
    if bound:
        if float(weight.mean()) - SIGMA * float(weight.std()) / math.sqrt(len(weight)) > 1:
            raise Failure(f"the bound integrates to {float(weight.mean()):.4g}: a density integrates to 1, and a bound is below it")
        return
    _compare(weight, torch.ones_like(weight), torch.ones(1, dtype=torch.float64), "the density integrates to {found:.4g}, not to 1")
    for angle in (0.5, 1.5):
        for direction in torch.eye(d, dtype=torch.float64) / centres.std(0).clamp(min=1e-6):
            for wave in (torch.cos, torch.sin):
                text = f"E {wave.__name__}({angle:g} x/s) is {{wanted:.4f}} over samples and {{found:.4f}} by log_prob"
                _compare(weight, wave(angle * y @ direction), wave(angle * x @ direction), text)


def _compare(weight: Tensor, f: Tensor, wanted: Tensor, text: str) -> None:
    """Raises Failure where mean(weight · f) and mean(wanted) are more than chance apart."""
    term = weight * f
    variance = float(term.var()) / len(term) + (float(wanted.var()) / len(wanted) if len(wanted) > 1 else 0.0)
    found, goal = float(term.mean()), float(wanted.mean())
    if abs(found - goal) > SIGMA * math.sqrt(variance) + 1e-4:
        raise Failure(text.format(found=found, wanted=goal) + f" (standard error {math.sqrt(variance):.2g})")
