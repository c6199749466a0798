"""From examples to what a model would make them from: latents of an encoder, noise of a denoiser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .errors import UsageError
from .protocols import Batch, Denoiser, Encoder, can
from .sampling import evaluating, place_of

if TYPE_CHECKING:
    from .gaussian.samplers import Euler


def encode(model: Any, batch: Batch, *, steps: int = 100, iterations: int = 5) -> Tensor:
    """z (n, …): an Encoder's latents, or for a Denoiser the noise from which `way(model, steps)` comes back to batch["x"].

    Its conditions are those of the batch. Raises UsageError for a model that does neither.
    """
    place = place_of(model)
    batch = {k: v.to(place.device) for k, v in batch.items()}
    with torch.no_grad(), evaluating(model):
        if can(model, Encoder):
            found: Tensor = model.encode(batch)
            return found
        if not can(model, Denoiser):
            raise UsageError(f"{type(model).__name__} encodes nothing: it is neither an Encoder nor a Denoiser")
        from .gaussian.inversion import invert

        cond = {k: v for k, v in batch.items() if k in model.conditions}
        return invert(model, batch["x"].to(place.dtype), way(model, steps).times(model), cond, iterations=iterations)


def way(model: Any, steps: int) -> Euler:
    """The sampler that `encode` inverts: Euler, spaced as the weights recommend, without clipping or guidance, which lose information."""
    from .gaussian.samplers import Euler

    recommended = getattr(model, "recommended_sampler", None)
    fields = ("spacing", "rho", "shift", "sigma_max")
    return Euler(steps=steps, clip=False, **{f: getattr(recommended, f) for f in fields if hasattr(recommended, f)})
