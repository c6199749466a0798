"""Every model of the plugin through the ordinary commands: trained, saved, read, sampled, encoded; and as the ground for a prior."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gentk
from gentk import recipes
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.protocols import Decoder, Encoder, LatentPrior, Likelihood, can
from gentk.weights.folder import kept

MODELS = ["vae", "beta-vae", "cvae", "m2", "ae", "wae-mmd", "wae-gan", "vae-gan", "vq-vae"]
PLAIN = {"ae", "vq-vae"}  # what has no law of its latents
BOUNDED = {"vae", "beta-vae", "cvae", "m2"}


def recipe(name: str, **config: Any) -> Any:
    small = {"widths": [8, 16], "latent": 4, "blocks": 1, **({"codes": 16} if name == "vq-vae" else {}), **config}
    if name == "vae-gan":
        small["discriminator"] = [8, 16]
    labels = {"labelled": 200} if name == "m2" else {}
    raw = {
        "model": {"plugin": "vae", "name": name, "config": small},
        "dataset": {"name": "digits", "options": labels},
        "training": {"steps": 6, "batch_size": 32, "preview_every": 0, "evaluate_every": 3, "precision": "float32"},
    }
    return recipes.check(raw, schema=lookup.schema, source=name)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name in MODELS:
        gentk.train(recipe(name), out=folder / name)
    return {name: folder / name for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_what_was_trained_is_read_back_and_does_what_its_kind_can(name: str, runs: dict[str, Path]) -> None:
    model = gentk.load(runs[name])
    assert can(model, Encoder) and can(model, Decoder)
    assert can(model, LatentPrior) == (name not in PLAIN)
    assert can(model, Likelihood) == (name in BOUNDED)
    data = lookup.dataset("digits", "test")
    from gentk.training.order import fetch

    batch = fetch(data, range(6))
    with torch.no_grad():
        z = model.encode(batch)
        x = model.decode(z, batch)
    assert x.shape == batch["x"].shape and float(x.abs().max()) <= 1.5
    torch.testing.assert_close(model.encode({k: v[2:3] for k, v in batch.items()}), z[2:3], rtol=0, atol=1e-5)
    if name in PLAIN:
        with pytest.raises(UsageError, match="latents:WEIGHTS"):
            gentk.sample(model, 2)
        return
    ten, three = gentk.sample(model, 10, seed=3)["x"], gentk.sample(model, 10, seed=3, batch_size=3)["x"]
    torch.testing.assert_close(ten, three, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_training_goes_on_as_if_it_had_not_stopped(name: str, runs: dict[str, Path], tmp_path: Path) -> None:
    gentk.train(recipe(name), out=tmp_path / "run", max_steps=3)
    torch.rand(7)  # whatever else the process draws
    gentk.train(recipe(name), out=tmp_path / "run", resume=True)
    whole, parts = (kept(gentk.load(path)) for path in (runs[name], tmp_path / "run"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_the_optimizer_for_matrices_leaves_the_ends_alone() -> None:
    for name in MODELS:
        for config in ({}, {"net": "dense"}) if name not in ("vq-vae", "vae-gan") else ({},):
            model = lookup.build_model("vae", name, recipe(name, **config).model.config, lookup.dataset("digits").spec)
            for path in model.outer:
                assert isinstance(model.get_submodule(path), (nn.Linear, nn.Conv2d))


@pytest.mark.parametrize("encoder, prior", [("ae", "gmm"), ("vq-vae", "markov")])
def test_a_prior_is_any_model_of_the_latents(encoder: str, prior: str, runs: dict[str, Path], tmp_path: Path) -> None:
    raw = {
        "model": {"plugin": "classical", "name": prior, "config": {"components": 3} if prior == "gmm" else {}},
        "dataset": {"name": f"latents:{runs[encoder]}"},
        "training": {"preview_every": 0, "evaluate_every": 0},
    }
    gentk.train(recipes.check(raw, schema=lookup.schema, source=prior), out=tmp_path / "prior")
    model = gentk.load(tmp_path / "prior")
    samples = gentk.sample(model, 5)
    assert samples.data.modality == "image" and samples["x"].shape == (5, 1, 8, 8)
    reread = gentk.load(runs[encoder]).state_dict()
    assert all(torch.equal(value, model.latents.state_dict()[key]) for key, value in reread.items())


def test_latents_are_what_the_encoder_says_once_each(runs: dict[str, Path]) -> None:
    data = gentk.dataset(f"latents:{runs['vae']}", "test")
    model, plain = gentk.load(runs["vae"]), gentk.dataset("digits", "test")
    from gentk.training.order import fetch

    asked = []
    inner = data.decoder.encode
    data.decoder.encode = lambda batch: (asked.append(len(batch["x"])), inner(batch))[1]  # type: ignore[func-returns-value]
    first, again = fetch(data, [5, 2, 9]), fetch(data, [9, 5, 3])
    assert asked == [3, 1] and torch.equal(first["x"][2], again["x"][0])
    wanted = model.posterior(fetch(plain, [5, 2, 9, 3]))[0].detach()  # its mean
    torch.testing.assert_close(torch.cat([first["x"], again["x"][2:]]), wanted, rtol=0, atol=1e-5)
    assert first["label"].tolist() == fetch(plain, [5, 2, 9])["label"].tolist()
