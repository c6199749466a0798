"""Validation: what a model logs of held-out examples, with fixed draws, leaving the model as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ..errors import GentkError
from ..inference.sampling import evaluating
from ..noise import Philox
from ..protocols import Batch, Likelihood, Phase, can
from ..text import cause
from .averages import under
from .gradient import micro_batches
from .order import seed_all

Fetch = Callable[[range], Batch]


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Eval mode within; afterwards parameters, their gradients, what requires gradients, and buffers are as before."""
    parameters = list(model.parameters())
    grads = [(p, p.requires_grad, p.grad) for p in parameters]
    buffers = [(module, name, buffer) for module in model.modules() for name, buffer in module._buffers.items()]
    kept = [(t, t.detach().clone()) for t in (*parameters, *(buffer for _, _, buffer in buffers if buffer is not None))]
    for p in parameters:
        p.grad = None  # a loss that calls backward() itself adds to nobody's gradient
    try:
        with evaluating(model):
            yield
    finally:
        for module, name, buffer in buffers:
            module._buffers[name] = buffer
        with torch.no_grad():
            for tensor, copy in kept:
                if not torch.equal(tensor, copy):
                    tensor.copy_(copy)
        for p, wanted, grad in grads:
            p.requires_grad_(wanted)
            p.grad = grad


def losses(model: Any, fetch: Fetch, size: int, *, batch_size: int, step: int, trainable: Sequence[str]) -> dict[str, float]:
    """Means of what each phase's loss logs of examples 0 … size − 1, in float32, with gradients on, and with fixed draws.

    Several phases: "PHASE/name". `trainable`: the parameters that training may change, by name.
    """
    found: dict[str, float] = {}
    phases: tuple[Phase, ...] = model.phases()
    free = set(trainable)
    with untouched(model), torch.enable_grad():
        for phase in phases:
            for name, p in model.named_parameters():
                p.requires_grad_(name in free and under(name, phase.trains))
            means = _of_phase(model, fetch, size, phase.name, batch_size=batch_size, step=step)
            found |= means if len(phases) == 1 else {f"{phase.name}/{name}": value for name, value in means.items()}
    return found


def _of_phase(model: Any, fetch: Fetch, size: int, phase: str, *, batch_size: int, step: int) -> dict[str, float]:
    totals: dict[str, float] = {}
    weight = 0.0
    for j, (low, high) in enumerate(micro_batches(size, -(-size // batch_size))):
        batch = fetch(range(low, high))
        seed_all("validation", j)
        try:
            out = model.loss(batch, phase, step)
        except GentkError:
            raise
        except Exception as error:
            raise GentkError(f"the loss of phase '{phase}' failed in validation at step {step}: {cause(error)}") from error
        here = float(torch.as_tensor(out.get("weight", high - low)).detach())
        weight += here
        for name in out.keys() - {"weight", "sums"}:
            totals[name] = totals.get(name, 0.0) + float(torch.as_tensor(out[name]).detach()) * here
    return {name: total / weight for name, total in sorted(totals.items())}


def likelihood(model: Any, fetch: Fetch, size: int, device: torch.device) -> dict[str, float]:
    """The mean log-likelihood of examples 0 … size − 1; nothing where the model has none."""
    if not can(model, Likelihood):
        return {}
    batch = fetch(range(size))
    with torch.no_grad(), untouched(model):
        return {"log_likelihood": float(model.log_prob(batch, Philox(0, range(size), device)).mean())}
