"""log p(x), whatever the model: its own, or that of a denoiser by the probability-flow ODE."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..protocols import Batch, Denoiser, Likelihood, RateDistortion, can
from ..table_encoding import of
from .asking import checked, parts
from .sampling import evaluating


def log_prob(model: Any, batch: Batch, /, *, seed: int = 0, batch_size: int | None = None, **options: Any) -> Tensor:
    """Nats per example, (n,) on the host: a density in the data's units, or a mass where they are quantised (`levels`).

    What is random in it (dequantisation, probes, importance samples) belongs to (seed, row), so that the batch size changes nothing.
    `options` are the keyword-only parameters of the model's own `log_prob`, or those of `gentk.gaussian.likelihood.log_prob` (`steps`,
    `probes`) for denoisers. Raises UsageError for a model that has no likelihood, and for options that it does not take.
    """
    _own_units(model)
    return within(model, batch, seed=seed, batch_size=batch_size, **options)


def _own_units(model: Any) -> None:
    """Raise UsageError for a model behind the core's encoding of columns."""
    if of(model) is not None:
        raise UsageError(
            f"{type(model).__name__} was trained on encoded columns, whose density has other units than the table's: gentk classify "
            "compares classes with it, and gmm and naive-bayes know tables as they are"
        )


def within(model: Any, batch: Batch, /, *, seed: int = 0, batch_size: int | None = None, **options: Any) -> Tensor:
    """`log_prob`, of a model behind the core's encoding in the units of that."""
    ask = asked(model)
    told = checked(ask, options, f"the likelihood of {type(model).__name__}")
    found = []
    for part, noise in parts(model, batch, seed=seed, batch_size=batch_size):
        with torch.no_grad(), evaluating(model):
            found.append(ask(part, noise, **told).cpu())
    return torch.cat(found)


def asked(model: Any) -> Callable[..., Tensor]:
    """(batch, noise, **options) → (n,): the model's own `log_prob`, or the ODE's. Raises UsageError where there is neither."""
    if can(model, Likelihood):
        own: Callable[..., Tensor] = model.log_prob
        return own
    if not can(model, Denoiser):
        raise UsageError(f"{type(model).__name__} has no likelihood: it offers no log_prob, and it is no Denoiser")
    from ..gaussian.likelihood import log_prob as by_ode

    return partial(by_ode, model)


def rate_distortion(model: Any, batch: Batch, /, *, seed: int = 0, batch_size: int | None = None) -> tuple[Tensor, Tensor]:
    """KL(q(z | x) ‖ p(z)) and −log p(x | z) of one z drawn from q(z | x): nats per example, (n,) each on the host.

    The draw belongs to (seed, row), so that the batch size changes nothing. Raises UsageError for a model that is no RateDistortion, and
    for one that was trained on encoded columns.
    """
    if not can(model, RateDistortion):
        raise UsageError(f"{type(model).__name__} has no bound of rate and distortion: that needs a model such as a VAE (rate_distortion)")
    _own_units(model)
    found = []
    for part, noise in parts(model, batch, seed=seed, batch_size=batch_size):
        with torch.no_grad(), evaluating(model):
            found.append([nats.cpu() for nats in model.rate_distortion(part, noise)])
    rate, distortion = (torch.cat(some) for some in zip(*found, strict=True))
    return rate, distortion


def kind_of(model: Any) -> str:
    """ "exact", "bound" or "estimate": what `log_prob` gives for this model."""
    if can(model, Likelihood):
        return str(model.likelihood)
    from ..gaussian.likelihood import EXACT

    leaf = model.data.leaves["x"]
    return "exact" if math.prod(leaf.shape) <= EXACT and not leaf.levels else "estimate"


def bits_per_dim(nats: Tensor, size: float) -> Tensor:
    """−log₂ p(x) per number of an example, of `size` numbers; for quantised data the bits of a code for one of them."""
    return -nats / (size * math.log(2))
