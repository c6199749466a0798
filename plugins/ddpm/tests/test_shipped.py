"""The weights that come with the plugin: they load, they are their recipe's, and they do what the README says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import gentk
from gentk.host import lookup

RECIPES = ["mnist", "fashion-mnist", "swiss-roll", "moons"]


@pytest.mark.parametrize("name", RECIPES)
def test_weights_are_those_of_their_recipe(name: str) -> None:
    model, recipe = gentk.load(f"ddpm/{name}"), lookup.recipe("ddpm", name)
    assert model.config.model_dump(mode="json") == recipe.model.config
    assert model.recommended_sampler.model_dump(mode="json", exclude_none=True) == recipe.sampler.options
    assert lookup.identify(model) == ("ddpm", recipe.model.name)
    folder = lookup.weights_path("ddpm", name)
    assert (folder / "model.safetensors").stat().st_size <= 5_000_000


def test_the_default_is_a_picture_of_digits(tmp_path: Path) -> None:
    """What the README's first command draws, in small: grey images with dark ground and light strokes."""
    drawn = gentk.sample(gentk.load("ddpm"), 4, seed=0)
    x = drawn["x"]
    assert x.shape == (4, 1, 28, 28) and float(x.min()) >= -1 and float(x.max()) <= 1
    ink = (x > 0).double().mean(dim=(1, 2, 3))
    assert bool(((ink > 0.03) & (ink < 0.35)).all()) and float((x < -0.9).double().mean()) > 0.5
    drawn.save(tmp_path / "digits.png")
    assert (tmp_path / "digits.png").stat().st_size > 500


def test_the_swiss_roll_is_a_spiral() -> None:
    """Exact W₂ to fresh data against that between two fresh sets, n = 500."""
    import numpy as np
    import ot

    data = lookup.dataset("swiss-roll", "test")

    def w2(a: torch.Tensor, b: torch.Tensor) -> float:
        cost = torch.cdist(a.double(), b.double()).square().numpy()
        return float(np.sqrt(ot.emd2(np.full(len(a), 1 / len(a)), np.full(len(b), 1 / len(b)), cost)))

    one, two = data.batch(range(500))["x"], data.batch(range(500, 1000))["x"]
    drawn = gentk.sample(gentk.load("ddpm/swiss-roll"), 500, seed=0)["x"]
    assert w2(drawn, one) <= 1.5 * w2(one, two)


def test_moons_come_by_class() -> None:
    drawn = gentk.sample(gentk.load("ddpm/moons"), 200, label="0,1")
    real = lookup.dataset("moons", "test").batch(range(1000))
    nearest = torch.cdist(drawn["x"], real["x"]).argmin(dim=1)
    assert float((real["label"][nearest] == drawn["label"]).double().mean()) >= 0.97
