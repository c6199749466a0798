"""From examples to what a model would make them from: latents of an encoder, noise of a denoiser. And back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from ..errors import UsageError
from ..protocols import Batch, Decoder, Denoiser, Encoder, can
from .asking import checked
from .sampling import as_batch, evaluating, place_of, sample

if TYPE_CHECKING:
    from ..gaussian.samplers import Euler

Count = Annotated[int, Field(ge=1)]
STEPS = 100


def encode(model: Any, batch: Batch, /, **options: Any) -> Tensor:
    """z (n, …): an Encoder's latents, or for a Denoiser the noise from which `returned` comes back to batch["x"].

    Its conditions are those of the batch. `options` are the keyword-only parameters of the model's own `encode`, or of `noise_of`
    (`steps`, `iterations`). Raises UsageError for a model that does neither, and for options that it does not take.
    """
    own = can(model, Encoder)
    if not own and not can(model, Denoiser):
        raise UsageError(f"{type(model).__name__} encodes nothing: it is neither an Encoder nor a Denoiser")
    told = checked(model.encode if own else noise_of, options, f"the encoding of {type(model).__name__}")
    place = place_of(model)
    batch = {k: v.to(place.device) for k, v in batch.items()}
    with torch.no_grad(), evaluating(model):
        found: Tensor = model.encode(batch, **told) if own else noise_of(model, batch, **told)
    return found


def noise_of(model: Any, batch: Batch, *, steps: Count = STEPS, iterations: Count = 5) -> Tensor:
    """The noise of a denoiser's examples by so many steps of its ODE, each solved by so many iterations (1: plain DDIM inversion)."""
    from ..gaussian.inversion import invert

    cond = {k: v for k, v in batch.items() if k in model.conditions}
    return invert(model, batch["x"].to(place_of(model).dtype), way(model, steps).times(model), cond, iterations=iterations)


def returned(model: Any, z: Tensor, cond: Batch, *, steps: int = STEPS) -> Tensor | None:
    """The leaf x (n, …) that the codes z give back, on the host; None where the model encodes without decoding."""
    if not can(model, Encoder):
        return sample(model, len(z), sampler=way(model, steps), cond={**cond, "noise": z.cpu()})["x"]
    if not can(model, Decoder):
        return None
    with torch.no_grad(), evaluating(model):
        return as_batch(model.decode(z, {k: v.to(z.device) for k, v in cond.items()}))["x"].cpu()


def way(model: Any, steps: int) -> Euler:
    """The sampler that `encode` inverts: Euler, spaced as the weights recommend, without clipping or guidance, which lose information."""
    from ..gaussian.samplers import Euler

    return Euler(steps=steps, clip=False, **spacing_of(model))


def spacing_of(model: Any) -> dict[str, Any]:
    """How the weights recommend to space the times of a walk."""
    recommended = getattr(model, "recommended_sampler", None)
    return {f: getattr(recommended, f) for f in ("spacing", "rho", "shift", "sigma_max") if hasattr(recommended, f)}
