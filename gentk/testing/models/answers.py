"""All that a model can be asked, in one place, and whether two such answers are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...noise import Philox
from ...protocols import Encoder, Guide, Likelihood, can
from ..registry import Failure, Skip
from ..trial import ModelTrial

if TYPE_CHECKING:
    from torch import Tensor


def answers(trial: ModelTrial, model: Any, cond: Mapping[str, Any] | None = None) -> dict[str, Tensor]:
    """What the model draws, encodes, finds likely and takes for evidence, a tensor for each, under these conditions (values that
    `prepare` takes). Draws belong to seed 0."""
    import torch

    from ...inference.sampling import as_batch, evaluating

    found = draws(trial, model, cond)
    batch = trial.examples()
    n = len(next(iter(batch.values())))
    batch |= {name: model.conditions[name].prepare(value, n) for name, value in (cond or {}).items()}
    with torch.no_grad(), evaluating(model):
        if can(model, Encoder):
            found["encode"] = as_batch(model.encode(batch))["x"]
        if can(model, Likelihood):
            found["log_prob"] = model.log_prob(batch, Philox(0, range(n)))
        if can(model, Guide):
            times = torch.full((n,), sum(getattr(model, "times", (0.0, 1.0))) / 2, dtype=torch.float64)
            found["evidence"] = model.evidence(batch["x"], times, batch)
    return found


def draws(trial: ModelTrial, model: Any, cond: Mapping[str, Any] | None = None) -> dict[str, Tensor]:
    """What each sampler draws from the model with seed 0; nothing where none can."""
    found: dict[str, Tensor] = {}
    for sampler in samplers(trial):
        drawn = trial.draw(sampler=sampler, model=model, cond=cond)
        found |= {f"{type(sampler).__name__}'s {name}": value for name, value in drawn.batch.items() if name not in model.conditions}
    return found


def samplers(trial: ModelTrial) -> list[Any]:
    """Those of the trial; none where nothing can be drawn."""
    try:
        return list(trial.samplers)
    except Skip:
        return []


def differ(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> str:
    """The first answer that is not the same to the last bit; empty where all are."""
    import torch

    for name, value in one.items():
        if value.shape != other[name].shape or not torch.equal(value.nan_to_num(), other[name].nan_to_num()):
            return f"{name} differs{_by(value, other[name])}"
    return ""


def _by(value: Tensor, other: Tensor) -> str:
    if value.shape != other.shape:
        return f" in shape, {tuple(value.shape)} from {tuple(other.shape)}"
    if not value.is_floating_point():
        return f" in {int((value != other).sum())} of {value.numel()} places"
    return f" by {float((value - other).abs().max()):.2g}"


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference as a share of the scale, the largest number there is; of integers, the share that differs."""
    import torch

    if one.shape != other.shape:
        return float("inf")
    if not one.is_floating_point():
        return float((one != other).double().mean()) if one.numel() else 0.0
    one, other = one.double(), other.double()
    if not torch.equal(one.isfinite(), other.isfinite()):
        return float("inf")
    inside = one.isfinite()
    scale = max(float(other[inside].abs().max()), 1e-12) if bool(inside.any()) else 1.0
    return float((one[inside] - other[inside]).abs().max()) / scale if bool(inside.any()) else 0.0


def dealt(value: Tensor, n: int) -> Tensor:
    """n rows: those that there are, in turn."""
    import torch

    return value[torch.arange(n) % len(value)]


@contextmanager
def untouched(given: Mapping[str, Tensor], method: str) -> Iterator[None]:
    """Raises Failure where what stands inside has changed what it was given."""
    before = {name: value.clone() for name, value in given.items()}
    yield
    if changed := differ(before, given):
        raise Failure(f"{method} changes what it is given: {changed}")


def latents(model: Any, n: int) -> Tensor:
    """z that the model can decode, (n, *latent.shape): normal numbers, or codes."""
    noise = Philox(0, range(n))
    leaf = model.latent
    return (noise.uniform(*leaf.shape) * leaf.classes).long() if leaf.classes else noise.normal(*leaf.shape)
