"""There and back through the latents: what an autoencoder, whatever its kind, makes of examples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..protocols import Batch, Decoder, Denoiser, Encoder, Leaf, can
from .asking import parts
from .sampling import as_batch, evaluating


def reconstruct(model: Any, batch: Batch, *, batch_size: int | None = None) -> Tensor:
    """decode(encode(x)), (n, …) on the host, under the conditions of the batch.

    Raises UsageError for a model that is not both an Encoder and a Decoder.
    """
    check(model)
    found = []
    for part, _ in parts(model, batch, batch_size=batch_size):
        cond = {key: value for key, value in part.items() if key in model.conditions}
        with torch.no_grad(), evaluating(model):
            found.append(as_batch(model.decode(model.encode(part), cond))["x"].cpu())
    return torch.cat(found)


def check(model: Any) -> None:
    """Raises UsageError for a model that cannot go there and back."""
    name = type(model).__name__
    if can(model, Denoiser) and not can(model, Encoder):
        raise UsageError(f"{name} has no latents to go through: gentk encode walks a denoiser's way to the noise and back")
    if not (can(model, Encoder) and can(model, Decoder)):
        raise UsageError(f"{name} cannot reconstruct: that needs a model that encodes and decodes")


def mse(x: Tensor, other: Tensor, inside: Tensor | None = None) -> Tensor:
    """The mean squared error per number of each example, (n,) float64; `inside`: which numbers count (`gentk.padding`)."""
    square = (x.double() - other.double()).square()
    if inside is None:
        return square.flatten(1).mean(1)
    return square.where(inside, 0.0).flatten(1).sum(1) / inside.flatten(1).sum(1)


def psnr(x: Tensor, other: Tensor, leaf: Leaf, inside: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio of each example, (n,) decibels: 10 log₁₀((high − low)² / MSE) with the leaf's range, which it needs."""
    assert leaf.range is not None
    low, high = leaf.range
    return 10 * ((high - low) ** 2 / mse(x, other, inside)).log10()
