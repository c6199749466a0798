"""Bayes' rule against closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gentk
from gentk.errors import UsageError
from gentk.gaussian.schedules import Cosine
from gentk.inference.classification import confusion, log_evidence, log_joint, log_prior
from gentk.protocols import Batch, DataSpec, Leaf, Prediction
from tests.closed_forms import TwoGaussians

X = torch.linspace(-4, 4, 41, dtype=torch.float64)[:, None]


def posterior(x: Tensor) -> Tensor:
    """log p(y | x) of N(±1, 1) with priors 1/4, 3/4: the log odds are 2x + log 3."""
    odds = 2 * x[:, 0] + math.log(3)
    return torch.stack([nn.functional.logsigmoid(-odds), nn.functional.logsigmoid(odds)], 1)


def test_the_posterior_is_the_closed_form() -> None:
    found = gentk.classify(TwoGaussians(), {"x": X})
    assert found.dtype == torch.float64 and float((found - posterior(X)).abs().max()) < 1e-12


def test_a_label_in_the_batch_is_not_looked_at() -> None:
    batch = {"x": X, "label": torch.ones(len(X), dtype=torch.int64)}
    assert torch.equal(gentk.classify(TwoGaussians(), batch), gentk.classify(TwoGaussians(), {"x": X}))


def test_every_class_hears_the_same_noise() -> None:
    """What is random adds the same number to each class's likelihood, so the posterior does not move; and no row knows its batch."""
    model = TwoGaussians()
    noisy = gentk.classify(model, {"x": X}, samples=1, seed=3)
    assert float((noisy - posterior(X)).abs().max()) < 1e-12
    joint = log_joint(model, {"x": X}, samples=1, seed=3)
    assert float((joint - log_joint(model, {"x": X})).abs().max()) > 0.5
    assert torch.equal(joint, log_joint(model, {"x": X}, samples=1, seed=3, batch_size=7))


class Denoises(nn.Module):
    """The ideal denoiser of `TwoGaussians`, in float64."""

    Config = config = None
    schedule, times = Cosine(), (0.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        like = TwoGaussians()
        self.data, self.conditions = like.data, like.conditions
        self.place = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        alpha, sigma = self.schedule(t)
        mean = 2.0 * cond["label"].double()[:, None] - 1
        unit = (x_t - alpha * mean) / (alpha**2 + sigma**2)
        return Prediction(mean + alpha * unit, sigma * unit)


def test_a_denoiser_classifies_by_its_ode() -> None:
    found = gentk.classify(Denoises(), {"x": X[::8]}, steps=60)
    assert float((found - posterior(X[::8])).abs().max()) < 1e-5


def test_without_frequencies_all_classes_are_alike() -> None:
    model: Any = TwoGaussians()
    model.conditions["label"] = model.conditions["label"].model_copy(update={"frequencies": ()})
    assert torch.allclose(log_prior(model).exp(), torch.full((2,), 0.5, dtype=torch.float64))


def test_a_class_that_never_occurred_is_never_found() -> None:
    model: Any = TwoGaussians()
    model.conditions["label"] = model.conditions["label"].model_copy(update={"frequencies": (1.0, 0.0)})
    assert gentk.classify(model, {"x": X}).exp()[:, 0].tolist() == [1.0] * len(X)


def test_what_cannot_classify_says_why() -> None:
    with pytest.raises(UsageError, match="trained without labels"):
        gentk.classify(TwoGaussians(labelled=False), {"x": X})
    silent: Any = nn.Linear(1, 1)
    silent.conditions, silent.data = TwoGaussians().conditions, DataSpec(modality="points", leaves={"x": Leaf(shape=(1,))})
    with pytest.raises(UsageError, match="has no likelihood"):
        log_prior(silent)  # before anything is asked of it


def test_scores() -> None:
    joint = torch.log(torch.tensor([[0.1, 0.3], [0.2, 0.2], [0.4, 0.1]], dtype=torch.float64))
    right, nats = log_evidence(joint, torch.tensor([1, 1, 1]))
    assert right.tolist() == [True, False, False] and nats.exp().tolist() == pytest.approx([0.75, 0.5, 0.2])
    assert confusion(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 2, 1, 1]), 3).tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]


class TellsClasses(TwoGaussians):
    """With an answer of its own, which is not Bayes'."""

    def log_label(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([batch["x"][:, 0], -batch["x"][:, 0]], 1)


def test_a_model_that_was_trained_to_tell_classes_is_asked_itself() -> None:
    found = gentk.classify(TellsClasses(), {"x": X}, batch_size=3)
    assert torch.allclose(found, torch.stack([X[:, 0], -X[:, 0]], 1).double().log_softmax(1))
    assert not torch.allclose(found, gentk.classify(TwoGaussians(), {"x": X}), atol=0.1)
    with pytest.raises(UsageError, match="TellsClasses tells classes by itself: leave out option 'samples'"):
        gentk.classify(TellsClasses(), {"x": X}, samples=3)
