"""`gentk plot rate-distortion` as it is typed, with models of made-up points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gentk
from gentk.cli import run
from gentk.protocols import DataSpec, Leaf
from gentk_vae.autoencoder import AE
from gentk_vae.config import AEConfig, BetaVAEConfig, VAEConfig
from gentk_vae.vae import VAE, BetaVAE

SMALL: dict[str, Any] = {"net": "dense", "widths": (16,), "latent": 2, "likelihood": "gaussian", "sigma": 0.5}
MOONS = ["--dataset", "moons"]


def saved(folder: Path, kind: Any, config: Any, spec: DataSpec | None = None) -> str:
    torch.manual_seed(len(str(config)))
    gentk.save(kind(config, spec or DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})), folder)
    return str(folder)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("weights")
    return [saved(folder / "plain", VAE, VAEConfig(**SMALL)), saved(folder / "dear", BetaVAE, BetaVAEConfig(**SMALL, beta=4.0))]


def told(capsys: pytest.CaptureFixture[str], *line: str) -> Any:
    capsys.readouterr()
    assert run(["plot", "rate-distortion", *line, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_is_drawn_is_the_bound_in_two_parts(weights: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, *weights, *MOONS, "-n", "400", "--out", str(tmp_path / "r.png"))
    with Image.open(found["file"]) as picture:
        assert picture.width > 400 and np.asarray(picture.convert("L")).std() > 8
    assert found["examples"] == 400 and [(p["weights"], p["beta"]) for p in found["points"]] == [("plain", 1.0), ("dear", 4.0)]
    source = gentk.dataset("moons", split="test")
    from gentk.examples import fetch, some

    batch = fetch(source, some(len(source), 400))
    for folder, point in zip(weights, found["points"], strict=True):
        assert point["nelbo"] == pytest.approx(point["rate"] + point["distortion"])
        nats = gentk.log_prob(gentk.load(folder), {"x": batch["x"]}, seed=5, samples=1)
        assert abs(point["nelbo"] + float(nats.mean())) < 5 * (float(nats.std()) / 20 + point["nelbo_error"])
        assert 0 < point["rate_error"] < 1 and 0 < point["distortion_error"] < 1


def test_the_seed_is_that_of_the_draws(weights: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [*weights, *MOONS, "-n", "50", "--out", str(tmp_path / "r.png"), "--seed"]
    first, again, other = (told(capsys, *line, seed)["points"] for seed in ("1", "1", "2"))
    assert first == again
    for one, two in zip(first, other, strict=True):
        assert one["rate"] == two["rate"] and one["distortion"] != two["distortion"]


def test_people_are_told_each_model_in_a_line(weights: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plot", "rate-distortion", *weights, *MOONS, "-n", "1", "--out", str(tmp_path / "r.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[1].startswith("plain (β = 1): rate ") and lines[2].startswith("dear (β = 4): rate ")
    assert "±" not in lines[1]  # of one example nobody knows a standard error


def test_what_cannot_be_compared_is_refused(weights: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grey = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,), levels=256, range=(-1, 1))})
    levels = saved(tmp_path / "levels", VAE, VAEConfig(**{**SMALL, "likelihood": "logistic", "sigma": None}), grey)
    plain = saved(tmp_path / "plain", VAE, VAEConfig(**SMALL))
    ae = saved(tmp_path / "ae", AE, AEConfig(**SMALL))
    for line, said in (
        ([*weights, levels, *MOONS], "levels and plain know examples of other shapes or levels"),
        ([levels, *MOONS], "values between the 256 levels that levels knows"),
        ([weights[0], weights[0], *MOONS], "is given twice"),
        ([ae, *MOONS], "AE has no bound of rate and distortion"),
        ([weights[0]], "does not say what it was trained on: give --dataset"),
    ):
        capsys.readouterr()
        assert run(["plot", "rate-distortion", *line, "-n", "8", "--out", str(tmp_path / "r.png")]) == 2
        err = capsys.readouterr().err
        assert said in err and "bug" not in err, err
    names = told(capsys, weights[0], plain, *MOONS, "-n", "8", "--out", str(tmp_path / "r.png"))["points"]
    assert [point["weights"] for point in names] == [weights[0], plain]  # of one title, they are told apart


def test_models_of_different_data_need_to_be_told_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [saved(tmp_path / name, VAE, VAEConfig(**SMALL)) for name in ("moons", "swiss-roll")]
    for folder in map(Path, folders):
        (folder / "recipe.toml").write_text(f'[model]\nplugin = "vae"\n[dataset]\nname = "{folder.name}"\n')
    assert run(["plot", "rate-distortion", *folders, "-n", "8", "--out", str(tmp_path / "r.png")]) == 2
    assert "swiss-roll and moons were trained on different data: say with --dataset" in capsys.readouterr().err
    assert len(told(capsys, *folders, *MOONS, "-n", "8", "--out", str(tmp_path / "r.png"))["points"]) == 2
