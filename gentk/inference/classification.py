"""Bayes' rule: p(y | x) = p(x | y) p(y) / Σ p(x | y′) p(y′), for whatever has a likelihood and a condition `label`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..protocols import Batch
from ..stages import stages
from .asking import parts
from .likelihood import asked, within
from .sampling import evaluating


def classify(model: Any, batch: Batch, /, *, seed: int = 0, batch_size: int | None = None, **options: Any) -> Tensor:
    """log p(y | x), (n, K) float64 on the host: each row's exponentials sum to 1. A `label` in the batch is not looked at.

    The prior is how often each class occurred in the data (`frequencies`; all alike where that is not known). `options` are those of
    `gentk.log_prob`. A model that was trained to tell classes (`log_label`) is asked for its own answer.
    Raises UsageError for a model without a condition `label`, or without a likelihood.
    """
    if (own := getattr(model, "log_label", None)) is None:
        return log_posterior(log_joint(model, batch, seed=seed, batch_size=batch_size, **options), log_prior(model))
    if options:
        raise UsageError(f"{type(model).__name__} tells classes by itself: leave out option '{min(options)}'")
    with torch.no_grad(), evaluating(model):
        found = [own(part).double().cpu() for part, _ in parts(model, batch, seed=seed, batch_size=batch_size)]
    return log_posterior(torch.cat(found))


def log_joint(model: Any, batch: Batch, /, **asking: Any) -> Tensor:
    """log p(x, y), (n, K). Every class is asked with the same noise (dequantisation, probes, importance samples): common random
    numbers, so that what they share cancels in the difference between classes.

    A class that never occurred has probability 0, whatever a model says of it; so has one of which it says no number.
    """
    prior = log_prior(model)
    n = len(next(iter(batch.values())))
    impossible = torch.full((n,), -torch.inf, dtype=torch.float64)
    given = [
        within(model, {**batch, "label": torch.full((n,), k)}, **asking).double() if prior[k] > -torch.inf else impossible
        for k in stages(range(len(prior)), len(prior))
    ]
    joint = torch.stack(given, 1) + prior
    return joint.masked_fill(joint.isnan(), -torch.inf)


def log_posterior(joint: Tensor, prior: Tensor | None = None) -> Tensor:
    """log p(y | x) of log p(x, y), (n, K). An example that is impossible in every class says nothing: it leaves the prior (K,), or all
    classes alike."""
    impossible = (joint == -torch.inf).all(1, keepdim=True)
    before = torch.zeros(joint.shape[1], dtype=joint.dtype) if prior is None else prior
    joint = torch.where(impossible, before, joint)
    return joint - joint.logsumexp(1, keepdim=True)


def log_prior(model: Any) -> Tensor:
    """log p(y), (K,) float64. Raises UsageError where there are no classes, or nothing to weigh them by."""
    classes = getattr(model.conditions.get("label"), "classes", 0)
    if not classes:
        raise UsageError(f"{type(model).__name__} was trained without labels: there are no classes to tell apart")
    if not hasattr(model, "log_label"):
        asked(model)
    frequencies = getattr(model.conditions["label"], "frequencies", ()) or [1.0] * classes
    weights = torch.tensor(frequencies, dtype=torch.float64)
    return (weights / weights.sum()).log()


def log_evidence(joint: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Of log p(x, y) (n, K) and true classes (n,): whether the likeliest class is the true one (n,), and log p(true | x) (n,)."""
    posterior = log_posterior(joint)
    return posterior.argmax(1) == label, posterior.gather(1, label[:, None])[:, 0]


def confusion(label: Tensor, found: Tensor, classes: int) -> Tensor:
    """(K, K) counts: how often class i (row) was taken for class j."""
    return torch.bincount(label * classes + found, minlength=classes**2).view(classes, classes)
