"""The way from one sample to another through what both are made from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..noise import Philox
from ..protocols import Batch, Blendable, Decoder, Denoiser, Encoder, LatentPrior, Sampler, can
from .encoding import STEPS, encode, way
from .opening import opened
from .sampling import Samples, as_batch, evaluating, final_data, finish, place_of, resolve_conditions, sample


def slerp(a: Tensor, b: Tensor, share: float) -> Tensor:
    """Between two draws of a normal law, (n, …), on the great circle, so that every point between is as likely as the ends
    (Shoemake 1985)."""
    flat = [(v / v.norm(dim=1, keepdim=True).clamp(min=1e-12)) for v in (a.flatten(1), b.flatten(1))]
    angle = (flat[0] * flat[1]).sum(1).clamp(-1, 1).acos().view(-1, *[1] * (a.ndim - 1))
    near = angle.sin() < 1e-4  # the same direction: a straight line is the limit
    safe = torch.where(near, torch.ones_like(angle), angle)
    first = torch.where(near, 1 - share, ((1 - share) * safe).sin() / safe.sin())
    second = torch.where(near, share, (share * safe).sin() / safe.sin())
    return first * a + second * b


def seeds(model: Any, chosen: list[int]) -> Tensor:
    """What the first sample of each seed is made from, (len(chosen), …)."""
    place = place_of(model)
    noises = [Philox(seed, [0], place.device, dtype=torch.promote_types(place.dtype, torch.float32)) for seed in chosen]
    if can(model, Denoiser):
        return torch.cat([noise.normal(*model.data.shape) for noise in noises])
    if can(model, LatentPrior):
        return torch.cat([model.prior(1, noise) for noise in noises])
    raise UsageError(f"{type(model).__name__} has nothing to interpolate: it is neither a Denoiser nor has it a prior of latents")


def conditions_at(model: Any, chosen: Sequence[int], cond: Any) -> dict[str, Tensor]:
    """The conditions of the first sample of each seed, (len(chosen), …): what is asked for, in turn, else what that seed draws."""
    place, found = place_of(model), []
    given = opened(cond, model.conditions)
    asked = {key: model.conditions[key].prepare(value, len(chosen)) for key, value in given.items()}
    for i, seed in enumerate(chosen):
        noise = Philox(seed, [0], place.device, dtype=torch.promote_types(place.dtype, torch.float32))
        told = {key: value[i : i + 1] for key, value in asked.items()}
        found.append(resolve_conditions(model.conditions, told, noise, first=0, total=1))
    return {key: torch.cat([one[key] for one in found]).cpu() for key in found[0]}


def interpolate(
    model: Any,
    ends: Tensor | Batch,
    frames: int = 8,
    *,
    labels: Sequence[int] | None = None,
    sampler: Sampler | None = None,
    cond: Any = None,
    **options: Any,
) -> Samples:
    """`frames` samples from each end to the next, both included: (len(ends) − 1) · frames, pair by pair.

    ends: what they are made from (`seeds`), or examples, which are encoded first (with `options`, as `gentk.encode` takes them) and met
    again at both ends. A sampler that draws fresh noise would jump between the frames. `cond`: the same for all, or a tensor with the
    condition of each end (`conditions_at`): between two classes a model that takes shares of classes is given them, any other one goes
    over half way. With `labels`, each of `ends` (n, …) stays what it is and goes from each of these classes to the next:
    n · (len(labels) − 1) · frames, end by end.
    Raises UsageError for fewer than two ends, or a model that cannot do it.
    """
    if frames < 2:
        raise UsageError(f"frames must be at least 2: both ends are shown, got {frames}")
    if labels is not None:
        return _between_labels(model, ends, labels, frames, cond or {})
    if not isinstance(ends, Tensor):
        denoiser = not can(model, Encoder) and can(model, Denoiser)
        cond = {k: v for k, v in ends.items() if k in model.conditions} or cond
        ends = encode(model, ends, **options)
        sampler = way(model, options.get("steps", STEPS)) if denoiser else sampler
    if len(ends) < 2:
        raise UsageError(f"interpolation needs at least two ends, got {len(ends)}")
    if not ends.is_floating_point():
        raise UsageError(f"the codes of {type(model).__name__} are classes: nothing lies between them")
    between: Any = slerp if can(model, Denoiser) or can(model, LatentPrior) else torch.lerp  # without a prior, no sphere to stay on
    shares = torch.linspace(0, 1, frames).tolist()
    path = torch.stack([between(ends[:-1], ends[1:], share) for share in shares], dim=1).flatten(0, 1)
    asked = {k: _first_ends(v, frames) if _of_ends(v, ends) else v for k, v in (cond or {}).items()}
    if can(model, Denoiser):
        return sample(model, len(path), sampler=sampler, cond={**asked, "noise": path})
    if not can(model, Decoder):
        raise UsageError(f"{type(model).__name__} decodes nothing: there is no way back from between the latents")
    blended = {k: _blended(model, k, v, frames) for k, v in (cond or {}).items() if _of_ends(v, ends) and blends(model, k)}
    return decoded(model, path, {**conditions_of(model, asked, len(path), beside=tuple(blended)), **blended})


def blends(model: Any, key: str) -> bool:
    """Whether the model takes shares of classes where this condition wants a class."""
    return can(model, Blendable) and key in model.blends


def _of_ends(value: Any, ends: Tensor) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0 and len(value) == len(ends)


def _blended(model: Any, key: str, values: Tensor, frames: int) -> Tensor:
    """Shares of the two ends' classes for each frame, (pairs · frames, K)."""
    place = place_of(model)
    classes = torch.eye(model.conditions[key].classes, device=place.device, dtype=place.dtype)[values.to(place.device)]
    shares = torch.linspace(0, 1, frames, device=place.device, dtype=place.dtype)[:, None]
    return ((1 - shares) * classes[:-1, None] + shares * classes[1:, None]).flatten(0, 1)


def _first_ends(values: Tensor, frames: int) -> Tensor:
    """The condition of each frame: that of the end nearer to it."""
    return torch.stack([values[1:] if 2 * i >= frames else values[:-1] for i in range(frames)], dim=1).flatten(0, 1)


def _between_labels(model: Any, z: Tensor | Batch, labels: Sequence[int], frames: int, cond: Any) -> Samples:
    """Shares of two classes that sum to 1, (n, K) each, where `decode` else takes a class."""
    if not (can(model, LatentPrior) and can(model, Blendable) and "label" in model.blends):
        raise UsageError(f"{type(model).__name__} takes one class at a time: there is nothing between its labels")
    if not isinstance(z, Tensor) or len(labels) < 2:
        raise UsageError("between labels: wanted are latents, as `seeds` gives them, and at least two labels")
    classes = torch.eye(model.conditions["label"].classes, device=z.device, dtype=z.dtype)[list(labels)]
    shares = torch.linspace(0, 1, frames, device=z.device, dtype=z.dtype)[:, None]
    way = ((1 - shares) * classes[:-1, None] + shares * classes[1:, None]).flatten(0, 1)  # (pairs · frames, K)
    rows, each = len(z) * len(way), len(way)
    others = conditions_of(model, {k: v for k, v in cond.items() if k != "label"}, rows, beside=("label",))
    return decoded(model, z.repeat_interleave(each, 0), {**others, "label": way.repeat(len(z), 1)})


def conditions_of(model: Any, asked: Any, n: int, beside: Collection[str] = ()) -> dict[str, Tensor]:
    """What `decode` is told for n rows: what is asked for, else the trained "none". Drawing would make neighbours differ in more than
    what is walked. Raises UsageError where there is no "none"."""
    found: dict[str, Tensor] = {}
    asked = opened(asked, model.conditions)
    for key, condition in model.conditions.items():
        if key in beside:
            continue
        value = condition.prepare(asked[key], n) if key in asked else condition.null(n)
        if value is not None:
            found[key] = value
        elif condition.required or getattr(condition, "classes", 0):  # a class that was never left out in training
            raise UsageError(f"say which {key}: --{key.replace('_', '-')}")
    return found


def decoded(model: Any, z: Tensor, cond: Batch) -> Samples:
    """What the model makes of latents z (n, …) under these conditions."""
    place = place_of(model)
    z = z.to(place.device, place.dtype)
    with torch.no_grad(), evaluating(model):
        done = as_batch(finish(model, model.decode(z, {k: v.to(z.device) for k, v in cond.items()})))
    return Samples({k: v.cpu() for k, v in done.items()}, final_data(model))
