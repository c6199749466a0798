"""The weights that come with the plugin: they are their recipe's, and they do what the README says. Digits to look at are drawn by another
plugin's weights, as the tests have no data of their own: a model that knows only its training images would fail on them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import gentk
from gentk.host import lookup
from gentk_metrics.classifiers import digits as judge


def judged(x: Tensor) -> Tensor:
    """p(class | x), (n, 10), by the classifier that comes with gentk-metrics."""
    data = gentk.load("ddpm/mnist").data
    return judge(data).features({"x": x})["logits"].softmax(1)


RECIPES = ["mnist-conv", "mnist", "cvae-mnist", "fashion-mnist", "vq-mnist", "ae-mnist"]


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return gentk.sample(gentk.load("ddpm/mnist"), 60, seed=5, label="0-9", steps=8)["x"]


@pytest.fixture(scope="module")
def binary(digits: Tensor) -> Tensor:
    torch.manual_seed(0)
    grey = (digits + 1) / 2
    return (torch.rand_like(grey) < grey.where(grey > 0.1, 0)).float() * 2 - 1  # their ground is not quite black


@pytest.mark.parametrize("name", RECIPES)
def test_weights_are_those_of_their_recipe(name: str) -> None:
    model, recipe = gentk.load(f"vae/{name}"), lookup.recipe("vae", name)
    assert model.config.model_dump(mode="json", exclude_none=True) == recipe.model.config
    assert lookup.identify(model) == ("vae", recipe.model.name)
    if recipe.sampler.name:
        assert model.recommended_sampler.model_dump(mode="json") == recipe.sampler.options
    assert (lookup.weights_path("vae", name) / "model.safetensors").stat().st_size <= 5_000_000


@pytest.mark.parametrize("name, nats", [("mnist-conv", 105), ("mnist", 165), ("cvae-mnist", 105)])
def test_digits_are_likely(name: str, nats: float, binary: Tensor) -> None:
    model = gentk.load(f"vae/{name}")
    batch = {"x": binary, "label": torch.arange(10).repeat(6)}
    bound = gentk.log_prob(model, batch, samples=4)
    assert -nats < float(bound.mean()) < -50
    assert float(gentk.log_prob(model, {**batch, "x": binary.flip(-1)}, samples=4).mean()) < float(bound.mean()) - 15


def test_the_plane_of_two_latents_holds_nine_kinds_of_digits() -> None:
    quantiles = torch.distributions.Normal(0, 1).icdf((torch.arange(20) + 0.5) / 20)
    z = torch.stack([quantiles.repeat(20), quantiles.repeat_interleave(20)], 1)
    with torch.no_grad():
        p = judged(gentk.load("vae/mnist").decode(z, {}))
    sure = p.argmax(1)[p.max(1).values > 0.9]
    assert int((torch.bincount(sure, minlength=10) >= 4).sum()) >= 9


def test_the_label_is_obeyed() -> None:
    drawn = gentk.sample(gentk.load("vae/cvae-mnist"), 500, label="0-9")
    p = judged(drawn["x"])
    assert float((p.argmax(1) == drawn["label"]).double().mean()) >= 0.93


@pytest.mark.parametrize("name, error", [("vq-mnist", 0.02), ("ae-mnist", 0.08)])
def test_digits_come_back(name: str, error: float, digits: Tensor) -> None:
    model = gentk.load(f"vae/{name}")
    with torch.no_grad():
        again = model.decode(model.encode({"x": digits}), {})
    assert float((again - digits).square().mean()) < error


def test_codes_are_used() -> None:
    model = gentk.load("vae/vq-mnist")
    assert model.latent.classes >= 256 and model.facts()["perplexity"] >= 60
