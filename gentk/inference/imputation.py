"""Filling in what is missing of examples: by the model itself, or of a denoiser by its sampler."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..noise import Philox
from ..protocols import Batch, Denoiser, Imputer, can
from ..table_encoding import of
from .asking import checked, parts
from .encoding import spacing_of
from .sampling import evaluating, sample, with_options


def impute(model: Any, batch: Batch, known: Tensor, /, *, seed: int = 0, batch_size: int | None = None, **options: Any) -> Tensor:
    """x (n, …) on the host: batch["x"] bit for bit where `known` (of its shape, or broadcasting to it), and a draw of the rest.

    What stands in x where it is not known is not looked at: it may be NaN. Row i's draw belongs to (seed, i). `options` are the
    keyword-only parameters of the model's own `impute`; denoisers are walked by RePaint (Lugmayr et al. 2022), whose fields they are.
    Raises UsageError for a model that does neither.
    """
    check(model)
    known = (known > 0).expand_as(batch["x"]).cpu()
    shown = {**batch, "x": batch["x"].where(known.to(batch["x"].device), torch.zeros_like(batch["x"]))}
    by = _by_itself if can(model, Imputer) else _by_sampling
    x, filled = batch["x"].cpu(), by(model, shown, known, seed, batch_size, options)
    return torch.where(known, x, filled.to(x.dtype))


def check(model: Any) -> None:
    """Raises UsageError for a model that cannot fill in."""
    if can(model, Imputer):
        return
    if not can(model, Denoiser):
        raise UsageError(f"{type(model).__name__} cannot fill in what is missing: it is neither an Imputer nor a Denoiser")
    if hasattr(model, "latents") and of(model) is None:
        raise UsageError(f"{type(model).__name__} draws another model's latents: a part of an example says nothing about a part of these")


def _by_itself(model: Any, batch: Batch, known: Tensor, seed: int, batch_size: int | None, options: Any) -> Tensor:
    told, found = checked(model.impute, options, f"the imputation of {type(model).__name__}"), []
    for part, noise in parts(model, batch, seed=seed, batch_size=batch_size):
        mask = known[noise.indices].to(noise.device)
        with torch.no_grad(), evaluating(model):
            found.append(model.impute(part, mask, noise, **told).cpu())
    return torch.cat(found)


def _by_sampling(model: Any, batch: Batch, known: Tensor, seed: int, batch_size: int | None, options: Any) -> Tensor:
    from ..gaussian.samplers import RePaint

    sampler = with_options(RePaint(**spacing_of(model)), options)
    told = {key: value for key, value in batch.items() if key in model.conditions}
    if of(model) is not None:
        rows = batch["x"].double().masked_fill(~known, float("nan"))
        return sample(model, len(known), seed=seed, sampler=sampler, batch_size=batch_size, cond={**told, "known": rows})["x"]
    cond = {**told, "known": batch["x"], "known_mask": known.float()}
    return sample(model, len(known), seed=seed, sampler=sampler, batch_size=batch_size, cond=cond)["x"]


def hidden_at_random(shape: torch.Size, share: float, seed: int = 0) -> Tensor:
    """(n, …) bool: which numbers to hide, each with probability `share`. Row i's are a function of (seed, i)."""
    return Philox(seed, range(shape[0])).fork("missing").uniform(*shape[1:]) < share
