"""Latents and guidance: what encoders, decoders, denoisers and guides promise of tensors that samplers hand them."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ...noise import Philox
from ...protocols import Decoder, Denoiser, Encoder, Guide, LatentPrior, can
from ..fitting import fits
from ..registry import Failure, Skip, check
from ..trial import ModelTrial, N
from .answers import dealt, distance, latents, untouched
from .sampling import CLOSE

if TYPE_CHECKING:
    from torch import Tensor

COUNTING = ("length", "mask")  # leaves that say what counts of an example; whoever asked for z knows
OTHERS = 4  # examples whose z are tried in an example's place
JUDGED = 128  # examples; fewer tell too little of a model that has hardly been trained
CHANCE, SAME = 3.0, 1e-3  # standard errors, and a share: a z that says nothing is neither better nor worse than another one's
INVERSE = 1e-2  # of the scale: what the inverse of a deep flow may miss in float32
SOLVED = 1e-4  # of the scale of x_t: by how much α x + σ eps may miss it


@check("model")
def encodes(trial: ModelTrial) -> None:
    """`encode` is deterministic, gives each example its own z, and with a `latent` beside it z of that shape and type. Latents are kept,
    compared and trained on, so an example has one."""
    import torch

    from ...inference.sampling import evaluating

    model = trial.model
    if not can(model, Encoder):
        raise Skip("it encodes nothing")
    batch = trial.examples()
    n = len(next(iter(batch.values())))
    with torch.no_grad(), evaluating(model):
        torch.manual_seed(1)
        with untouched(batch, "encode"):
            whole = model.encode(batch)
        torch.manual_seed(2)
        again = model.encode(batch)
        rows = torch.cat([model.encode({name: value[i : i + 1] for name, value in batch.items()}) for i in range(n)])
        with ThreadPoolExecutor(1) as beside:  # as a model of its latents is trained
            there = beside.submit(torch.no_grad()(model.encode), batch).result()
    if can(model, Decoder):
        fits({"z": whole}, {"z": model.latent}, "encode", (n,), drawn=True)
    elif len(whole) != n:
        raise Failure(f"encode of {n} examples has {len(whole)} rows")
    if not torch.equal(whole, again):
        raise Failure("encode differs the second time: give the mean, not a draw")
    if (far := distance(there, whole)) > CLOSE * whole.is_floating_point():
        raise Failure(f"encode in another thread is off by {far:.1e} of its scale: latents are encoded beside the training")
    if (far := distance(rows, whole)) > CLOSE * whole.is_floating_point():
        raise Failure(f"encode one by one is off by {far:.1e} of its scale from encode of all at once")


@check("model")
def decodes(trial: ModelTrial) -> None:
    """`decode` makes examples, as the DataSpec says, of any z like `latent`: its encoder's, its prior's, or one in between. It is
    deterministic and goes row by row. `prior` gives such z, the same for the same noise."""
    import torch

    from ...inference.sampling import as_batch, evaluating

    model = trial.model
    if not can(model, Decoder):
        raise Skip("it decodes nothing")
    batch = trial.examples()
    cond = {name: value for name, value in batch.items() if name in model.conditions}
    given = {"any": latents(model, N)}
    with torch.no_grad(), evaluating(model):
        if can(model, LatentPrior):
            given["prior's"] = model.prior(N, Philox(0, range(N)))
            fits({"z": given["prior's"]}, {"z": model.latent}, "prior", (N,), drawn=True)
            if not torch.equal(given["prior's"], model.prior(N, Philox(0, range(N)))):
                raise Failure("prior differs for the same noise")
        if can(model, Encoder):
            given["encoder's"] = model.encode(batch)
        for kind, z in given.items():
            told = {name: dealt(value, len(z)) for name, value in cond.items()}
            with untouched({"z": z, **told}, "decode"):
                x = as_batch(model.decode(z, told))
            leaves = {name: leaf for name, leaf in model.data.leaves.items() if name in x or name not in COUNTING}
            fits(x, leaves, f"decode of {kind} z", (len(z),), drawn=True)
            rows = [as_batch(model.decode(z[i : i + 1], {k: v[i : i + 1] for k, v in told.items()})) for i in range(len(z))]
            for name, whole in x.items():
                if (far := distance(torch.cat([row[name] for row in rows]), whole)) > CLOSE * whole.is_floating_point():
                    raise Failure(f"decode of {kind} z one by one is off by {far:.1e} of the scale of '{name}' from all at once")


@check("model")
def round_trip(trial: ModelTrial) -> None:
    """What is encoded and decoded again comes nearer to the example than what another example's z decodes to, on average; where the
    likelihood is exact and z has as many numbers as x, it is the example. Lossy models keep little, but nobody's z may say more of an
    example than its own: `encode` and `decode` that do not belong together show here."""
    import torch

    from ...inference.sampling import as_batch, evaluating

    model = trial.model
    if not can(model, Encoder) or not can(model, Decoder):
        raise Skip("it does not both encode and decode")
    batch = trial.examples(JUDGED)
    x, leaf = batch["x"], model.data.leaves["x"]
    cond = {name: value for name, value in batch.items() if name in model.conditions}
    with torch.no_grad(), evaluating(model):
        z = model.encode(batch)
        own, *others = (as_batch(model.decode(z.roll(k, 0), cond))["x"] for k in range(1 + min(OTHERS, len(x) - 1)))
    smooth = x.is_floating_point() and not model.latent.classes
    if smooth and getattr(model, "likelihood", "") == "exact" and z[0].numel() == x[0].numel():
        step = 0.0 if not leaf.levels > 1 or leaf.range is None else (leaf.range[1] - leaf.range[0]) / (leaf.levels - 1)
        if (far := float((own - x).abs().max())) > INVERSE * float(x.abs().max()) + step:
            raise Failure(f"decode(encode(x)) misses x by {far:.2g}, though its likelihood is exact and z as large as x")
    if not others:
        raise Skip("there is one example only")
    mine, theirs = _error(own, x), torch.stack([_error(other, x) for other in others]).mean(0)
    worse = mine - theirs
    if not float(worse.mean()) <= max(CHANCE * float(worse.std()) / len(x) ** 0.5, SAME * float(theirs.mean())):
        raise Failure(f"decode(encode(x)) is further from x than what other examples' z decode to, {float(mine.mean()):.3g} to "
                      f"{float(theirs.mean()):.3g}: do encode and decode mean the same z?")  # fmt: skip


def _error(one: Tensor, other: Tensor) -> Tensor:
    """(n,) mean square differences; of classes, the shares that differ."""
    if not other.is_floating_point():
        return (one != other).double().flatten(1).mean(1)
    return (one.double() - other.double()).square().flatten(1).mean(1)


@check("model")
def denoises(trial: ModelTrial) -> None:
    """`denoise` gives both estimates, with x_t = α x + σ eps at every t of `times`, for one t of all rows and for a t of each, and row by
    row. Samplers take steps with both and divide by neither, so an eps that does not fit x sends them elsewhere."""
    import torch

    from ...gaussian.schedules import scales
    from ...inference.sampling import evaluating

    model = trial.model
    if not can(model, Denoiser):
        raise Skip("it is no Denoiser")
    batch = trial.examples()
    cond = {name: value for name, value in batch.items() if name in model.conditions}
    x, (low, high) = batch["x"], model.times
    times = torch.tensor([low + share * (high - low) for share in (0.0, 0.1, 0.5, 0.9, 1.0)], dtype=torch.float64)
    own = torch.arange(len(x)) % len(times)  # row i's time, where each has its own
    states, found = torch.empty_like(x), torch.empty_like(x)
    with torch.no_grad(), evaluating(model):
        for k, t in enumerate(times):
            alpha, sigma = scales(model.schedule, t, x)
            x_t = alpha * x + sigma * Philox(0, range(len(x))).normal(*x.shape[1:])
            p = model.denoise(x_t, t, cond)
            if p.x.shape != x.shape or p.eps.shape != x.shape:
                raise Failure(f"denoise of {tuple(x.shape)} gives x {tuple(p.x.shape)} and eps {tuple(p.eps.shape)}")
            if (far := distance(alpha * p.x + sigma * p.eps, x_t)) > SOLVED:
                raise Failure(f"at t = {float(t):.3f} α x + σ eps misses x_t by {far:.1e} of its scale")
            alone = model.denoise(x_t[:1], t, {name: value[:1] for name, value in cond.items()})
            if (far := distance(alone.x, p.x[:1])) > CLOSE:
                raise Failure(f"at t = {float(t):.3f} a row's x depends on the others, by {far:.1e} of its scale")
            states[own == k], found[own == k] = x_t[own == k], p.x[own == k]
        if (far := distance(model.denoise(states, times[own], cond).x, found)) > CLOSE:
            raise Failure(f"where rows have times of their own, their x is another one, by {far:.1e} of its scale")


@check("model")
def guides(trial: ModelTrial) -> None:
    """`evidence` gives log p(cond | x_t), (n,), never above 0 for classes, of each row by itself, and its gradient in x_t is finite and not
    all zero. Guidance climbs that gradient."""
    import torch

    from ...inference.sampling import evaluating

    model = trial.model
    if not can(model, Guide):
        raise Skip("it is no Guide")
    model = copy.deepcopy(model).double()  # single rows take other kernels, whose float32 a classifier's logits magnify
    batch = {name: value.double() if value.is_floating_point() else value for name, value in trial.examples().items()}
    x_t = batch["x"].clone().requires_grad_()
    t = torch.tensor(0.5, dtype=torch.float64)
    with evaluating(model):
        whole = model.evidence(x_t, t, batch)
        rows = [model.evidence(x_t[i : i + 1], t, {k: v[i : i + 1] for k, v in batch.items()}) for i in range(len(x_t))]
    if whole.shape != (len(x_t),):
        raise Failure(f"evidence of {len(x_t)} rows has shape {tuple(whole.shape)}")
    if (far := distance(torch.cat(rows).detach(), whole.detach())) > CLOSE:
        raise Failure(f"evidence one by one is off by {far:.1e} of its scale from all at once")
    if _of_classes(model) and float(whole.detach().max()) > 1e-6:
        raise Failure(f"evidence for a class is {float(whole.detach().max()):.3g}: the log of a probability is never above 0")
    if not whole.requires_grad:
        raise Failure("evidence has no gradient in x_t: no torch.no_grad, no detach")
    (slope,) = torch.autograd.grad(whole.sum(), x_t)
    _slope(slope)


def _of_classes(model: Any) -> bool:
    return all(getattr(condition, "classes", 0) for condition in model.conditions.values())


def _slope(slope: Tensor) -> None:
    if not bool(slope.isfinite().all()) or not bool(slope.any()):
        raise Failure("the gradient of evidence is " + ("not finite" if not bool(slope.isfinite().all()) else "zero everywhere"))
