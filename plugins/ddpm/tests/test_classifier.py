"""The classifier of noisy images."""

import math

import pytest
import torch

import gentk
from gentk.errors import UsageError
from gentk.gaussian.schedules import at
from gentk.host.lookup import build_model
from gentk.inference.sampling import default_sampler
from gentk.protocols import DataSpec, Denoiser, Guide, Leaf, can
from gentk_ddpm.classifier import Classifier

DATA = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 12, 12), range=(-1, 1))}, conditions={"label": Leaf(classes=4)})
LABELS = torch.arange(4)


def classifier(**config: object) -> Classifier:
    torch.manual_seed(0)
    made: Classifier = build_model("ddpm", "classifier", {"channels": [8, 16], "groups": 4, "schedule": "karras", **config}, DATA)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made.double().eval()


def test_evidence_is_a_law_over_the_classes_with_a_slope() -> None:
    model, x = classifier(), torch.randn(1, 1, 12, 12, dtype=torch.float64).expand(4, -1, -1, -1).clone().requires_grad_()
    found = model.evidence(x, torch.tensor(0.3, dtype=torch.float64), {"label": LABELS})
    assert float(found.detach().exp().sum()) == pytest.approx(1)
    (slope,) = torch.autograd.grad(found[1], x)
    step = torch.zeros_like(x)
    step[1] = 1e-6 * torch.randn(1, 12, 12, dtype=torch.float64)
    with torch.no_grad():
        up, down = (model.evidence(x + s, torch.tensor(0.3, dtype=torch.float64), {"label": LABELS})[1] for s in (step, -step))
    assert float(up - down) == pytest.approx(2 * float((slope * step).sum()), rel=1e-5)


def test_single_times_and_times_per_row_agree() -> None:
    model, x = classifier(), torch.randn(3, 1, 12, 12, dtype=torch.float64)
    t = torch.tensor([0.01, 0.2, 0.9], dtype=torch.float64)
    rows = torch.cat([model.logits(x[i : i + 1], v) for i, v in enumerate(t)])
    assert torch.allclose(model.logits(x, t), rows, atol=1e-12)


def test_below_its_lowest_level_it_answers_for_that_one() -> None:
    model, x = classifier(sigma_min=0.1), torch.randn(2, 1, 12, 12, dtype=torch.float64)
    assert at(model.schedule, model.times[0])[1] == pytest.approx(0.1)
    zero, low = (model.logits(x, torch.tensor(v, dtype=torch.float64)) for v in (0.0, model.times[0]))
    assert torch.equal(zero, low) and bool(zero.isfinite().all())


def test_it_learns_and_its_loss_begins_at_that_of_a_guess() -> None:
    """Classes that differ in brightness, at any noise level."""
    torch.manual_seed(0)
    config = {"channels": [8, 16], "groups": 4, "schedule": "karras", "times": "lognormal"}
    model: Classifier = build_model("ddpm", "classifier", config, DATA)
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=1e-2), []
    for step in range(60):
        label = torch.randint(4, (64,))
        x = (label.float() / 1.5 - 1).view(-1, 1, 1, 1).expand(-1, 1, 12, 12)
        loss = model.loss({"x": x, "label": label}, "main", step)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[0] == pytest.approx(math.log(4), rel=0.25) and sum(losses[-10:]) / 10 < 0.5


def test_it_guides_and_draws_nothing() -> None:
    model = gentk.load("ddpm/mnist-classifier")
    assert can(model, Guide) and not can(model, Denoiser)
    with pytest.raises(UsageError, match="cannot be sampled"):
        default_sampler(model)
    with pytest.raises(UsageError, match="labels"):
        build_model("ddpm", "classifier", {}, DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 12, 12))}))
