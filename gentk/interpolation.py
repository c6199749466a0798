"""The way from one sample to another through what both are made from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .encoding import encode, way
from .errors import UsageError
from .noise import Philox
from .protocols import Batch, Denoiser, LatentPrior, Sampler, can
from .sampling import Samples, evaluating, final_data, place_of, sample


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


def interpolate(
    model: Any, ends: Tensor | Batch, frames: int = 8, *, sampler: Sampler | None = None, cond: Any = None, steps: int = 100
) -> Samples:
    """`frames` samples from each end to the next, both included: (len(ends) − 1) · frames, pair by pair.

    ends: what they are made from (`seeds`), or examples, which are encoded first and met again at both ends. A sampler that draws fresh
    noise would jump between the frames. Raises UsageError for fewer than two ends, or a model that cannot do it.
    """
    if frames < 2:
        raise UsageError(f"frames must be at least 2: both ends are shown, got {frames}")
    if not isinstance(ends, Tensor):
        sampler = way(model, steps) if can(model, Denoiser) else sampler
        cond = {k: v for k, v in ends.items() if k in model.conditions} or cond
        ends = encode(model, ends, steps=steps)
    if len(ends) < 2:
        raise UsageError(f"interpolation needs at least two ends, got {len(ends)}")
    shares = torch.linspace(0, 1, frames).tolist()
    path = torch.stack([slerp(ends[:-1], ends[1:], share) for share in shares], dim=1).flatten(0, 1)
    asked = {k: _first_ends(v, frames) if isinstance(v, Tensor) else v for k, v in (cond or {}).items()}
    if can(model, Denoiser):
        return sample(model, len(path), sampler=sampler, cond={**asked, "noise": path})
    with torch.no_grad(), evaluating(model):
        done = model.decode(path, {k: model.conditions[k].prepare(v, len(path)).to(path.device) for k, v in asked.items()})
    return Samples({k: v.cpu() for k, v in ({"x": done} if isinstance(done, Tensor) else done).items()}, final_data(model))


def _first_ends(values: Tensor, frames: int) -> Tensor:
    """The condition of each frame: that of the end nearer to it."""
    return torch.stack([values[1:] if 2 * i >= frames else values[:-1] for i in range(frames)], dim=1).flatten(0, 1)
