"""log p(x), whatever the model: its own, or that of a denoiser by the probability-flow ODE."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .errors import UsageError
from .noise import Philox
from .protocols import Batch, Denoiser, Likelihood, can
from .sampling import BATCH, evaluating, place_of


def log_prob(model: Any, batch: Batch, *, seed: int = 0, batch_size: int | None = None, **options: Any) -> Tensor:
    """Nats per example, (n,) on the host: a density in the data's units, or a mass where they are quantised (`levels`).

    What is random in it (dequantisation, probes) belongs to (seed, row), so that the batch size changes nothing. `options` are those of
    `gentk.gaussian.likelihood.log_prob` (`steps`, `probes`) for denoisers. Raises UsageError for a model that has no likelihood.
    """
    own = can(model, Likelihood)
    if not own and not can(model, Denoiser):
        raise UsageError(f"{type(model).__name__} has no likelihood: it offers no log_prob, and it is no Denoiser")
    if own and options:
        raise UsageError(f"{type(model).__name__} has a likelihood of its own, without options: leave out {', '.join(options)}")
    place, size, n = place_of(model), batch_size or BATCH, len(next(iter(batch.values())))
    found = []
    for first in range(0, n, size):
        part = {k: v[first : first + size].to(place.device) for k, v in batch.items()}
        part = {k: v.to(torch.promote_types(place.dtype, torch.float32)) if v.is_floating_point() else v for k, v in part.items()}
        rows = len(next(iter(part.values())))
        noise = Philox(seed, range(first, first + rows), place.device)
        with torch.no_grad(), evaluating(model):
            found.append(_ask(model, own, part, noise, options).cpu())
    return torch.cat(found)


def _ask(model: Any, own: bool, batch: Batch, noise: Philox, options: Any) -> Tensor:
    if own:
        answer: Tensor = model.log_prob(batch, noise)
        return answer
    from .gaussian.likelihood import log_prob as by_ode

    return by_ode(model, batch, noise, **options)


def kind_of(model: Any) -> str:
    """ "exact", "bound" or "estimate": what `log_prob` gives for this model."""
    if can(model, Likelihood):
        return str(model.likelihood)
    from .gaussian.likelihood import EXACT

    leaf = model.data.leaves["x"]
    return "exact" if math.prod(leaf.shape) <= EXACT and not leaf.levels else "estimate"


def bits_per_dim(nats: Tensor, size: int) -> Tensor:
    """−log₂ p(x) per number of an example, of `size` numbers; for quantised data the bits of a code for one of them."""
    return -nats / (size * math.log(2))
