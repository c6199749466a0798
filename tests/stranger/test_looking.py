"""Commands that look at a model by what it can, over models that the core has never heard of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Command = Callable[..., str]
Runs = dict[str, Path]


@pytest.fixture
def gentk(stranger: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """`gentk WORDS` in this process, in an empty folder → stdout; `fails`: the exit code that is expected → stderr."""
    from gentk.cli import run

    monkeypatch.chdir(tmp_path)

    def call(*words: str, fails: int = 0) -> str:
        capfd.readouterr()
        code = run(list(words))
        said, told = capfd.readouterr()
        assert code == fails, f"{' '.join(words)}\n{said}\n{told}"
        if fails:
            assert "Traceback" not in told and told.count("\n") == 1
        return told if fails else said

    return call


def arrays(path: str) -> dict[str, Any]:
    with np.load(path) as file:
        return dict(file)


def grey(path: str) -> Any:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


def test_reconstructions_are_what_python_makes(gentk: Command, runs: Runs) -> None:
    from gentk import load
    from gentk import reconstruct as there_and_back

    told = json.loads(gentk("reconstruct", "--weights", str(runs["vae"]), "-n", "12", "--out", "r.npz", "--json"))
    found = arrays("r.npz")
    x, other = found["x"], found["reconstruction"]
    import torch

    assert np.allclose(other, there_and_back(load(runs["vae"]), {"x": torch.as_tensor(x)}), atol=1e-6)
    assert told["mse"] == pytest.approx(float(((x - other) ** 2).mean()), rel=1e-5)
    assert told["psnr"] == pytest.approx(float((10 * np.log10(4 / ((x - other) ** 2).mean((1, 2, 3)))).mean()), rel=1e-5)
    gentk("reconstruct", "--weights", str(runs["vae"]), "-n", "12", "--out", "r.png")
    assert grey("r.png").std() > 20
    assert "encodes and decodes" in gentk("reconstruct", "--weights", str(runs["gmm"]), fails=2)
    assert ".npz" in gentk("reconstruct", "--weights", str(runs["vae"]), "--out", "r.csv", fails=2)


def test_latents_are_drawn_by_class_and_walked(gentk: Command, runs: Runs) -> None:
    vae = str(runs["vae"])
    assert "in 2 of 4 dimensions" in gentk("plot", "latent", "--weights", vae, "-n", "60", "--out", "l.png")
    assert grey("l.png").std() > 5
    gentk("plot", "manifold", "--weights", vae, "-n", "3", "--axes", "0,2", "--out", "m.npz")
    import torch

    from gentk import load
    from gentk.cli.commands.plot.latents import quantiles

    z = quantiles(Any, (4,), 3, "0,2")  # type: ignore[arg-type]
    with torch.no_grad():
        assert np.allclose(arrays("m.npz")["x"], load(vae).decode(z, {}), atol=1e-6)
    gentk("plot", "manifold", "--weights", vae, "-n", "5", "--out", "m.png")
    assert "no Encoder" in gentk("plot", "latent", "--weights", str(runs["gmm"]), fails=2)
    assert "no latents of a normal law" in gentk("plot", "manifold", "--weights", str(runs["gmm"]), fails=2)
    assert "say which label" in gentk("plot", "manifold", "--weights", str(runs["wgan"]), fails=2)
    gentk("plot", "manifold", "--weights", str(runs["wgan"]), "--label", "3", "-n", "4", "--out", "w.csv")
    assert "knows no labels" in gentk("plot", "manifold", "--weights", vae, "--label", "3", fails=2)
    assert "0-7" in gentk("plot", "manifold", "--weights", str(runs["wgan"]), "--label", "9", fails=2)


def test_between_labels_of_what_takes_shares(gentk: Command, runs: Runs) -> None:
    line = ("interpolate", "--weights", str(runs["wgan"]), "--seeds", "5,6")
    gentk(*line, "--labels", "2,7,0", "--frames", "4", "--out", "b.npz")
    way = arrays("b.npz")["x"].reshape(2, 2, 4, 2)
    for label, place in ((2, way[1, 0, 0]), (7, way[1, 0, 3]), (7, way[1, 1, 0]), (0, way[1, 1, 3])):
        gentk("sample", "--weights", str(runs["wgan"]), "-n", "1", "--seed", "6", "--label", str(label), "--out", "s.npz")
        assert np.allclose(place, arrays("s.npz")["x"][0], atol=1e-5)
    for labels, word in (("2", "two or more"), ("2,9", "0-7")):
        assert word in gentk(*line, "--labels", labels, fails=2)
    assert "give one" in gentk(*line, "--labels", "0,1", "--source", "s.npz", fails=2)
    assert "knows no labels" in gentk("interpolate", "--weights", str(runs["vae"]), "--labels", "0,1", fails=2)


def test_options_are_those_of_the_model(gentk: Command, runs: Runs) -> None:
    vae = ("likelihood", "--weights", str(runs["vae"]), "-n", "40", "--json")
    few, many = (json.loads(gentk(*vae, "-o", f"samples={k}"))["nats"] for k in (1, 200))
    assert few < many  # a bound that more samples tighten
    assert "did you mean 'samples'" in gentk(*vae[:-1], "-o", "sample=3", fails=2)
    assert "it takes none" in gentk("encode", "--weights", str(runs["vae"]), "-o", "steps=3", fails=2)
    assert "way back misses" in gentk("encode", "--weights", str(runs["vae"]), "--out", "z.npz")


def test_leaves_beside_x_come_along(gentk: Command, runs: Runs) -> None:
    told = json.loads(gentk("likelihood", "--weights", str(runs["counter"]), "-n", "20", "--json"))
    assert told["kind"] == "exact" and told["nats"] > -16
    gentk("sample", "--weights", str(runs["counter"]), "-n", "5", "--out", "c.npz")
    told = json.loads(gentk("likelihood", "--weights", str(runs["counter"]), "--source", "c.npz", "--json"))
    tokens = int(arrays("c.npz")["length"].sum())  # padding is no token
    assert told["examples"] == 5 and told["bits_per_dim"] == pytest.approx(-sum(told["each"]) / tokens / np.log(2))
    assert "one x" in gentk("likelihood", "--weights", str(runs["chain"]), fails=2)


def test_facts_are_what_the_model_says(gentk: Command, runs: Runs) -> None:
    mixture = str(runs["gmm"])
    facts = json.loads(gentk("inspect", mixture, "--facts", "--json"))["facts"]
    assert sum(facts["shares"]) == pytest.approx(1) and np.shape(facts["means"]) == (8, 2)
    assert "means" in gentk("inspect", mixture, "--facts") and "facts" not in gentk("inspect", mixture)
    assert "no facts" in gentk("inspect", str(runs["vae"]), "--facts", fails=2)


def test_facts_are_readable() -> None:
    from gentk.cli.commands.inspect import MOST, shown

    assert shown([0.123456789, 2, True]) == "0.12346  2  yes" and shown("word") == "word" and shown(None) == "–"
    assert shown([[1.0, 20], [-300.5, 4]]) == "     1      20\n-300.5       4"
    assert shown({"a": {"b": 1, "c": [[1], [2]]}}) == "a:\n  b: 1\n  c:\n    1\n    2"
    assert shown([[[1], [2]], [[3], [4]]]) == "1\n2\n\n3\n4" and shown([[1, 2], [[3], [4]]]) == "1  2\n\n3\n4"
    assert shown(list(range(100))).endswith(f"  {MOST - 1}  … 100 in all")


def test_a_model_fills_in_by_itself(gentk: Command, runs: Runs) -> None:
    """Draws of a mixture's own conditional law; the mean of many is nearer than one. `nan` in a file is what is missing."""
    line = ("impute", "--weights", str(runs["gmm"]), "-n", "150", "--missing", "0.5", "--json")
    told = json.loads(gentk(*line, "--out", "one.npz"))
    several = json.loads(gentk(*line, "--draws", "10", "--out", "many.npz"))
    assert told["filled"] == several["filled"]
    assert several["rmse"] / several["rmse_of_mean"] < 1.15 < 1.25 < told["rmse"] / told["rmse_of_mean"]
    truth, one, many = (arrays(name)["x"] for name in (save_truth(gentk, runs), "one.npz", "many.npz"))
    hidden = one != truth
    assert int(hidden.sum()) == told["filled"] and ((many != truth) == hidden).all()
    np.savez("gaps.npz", x=np.where(hidden, np.nan, truth).astype(np.float32))
    gentk("impute", "--weights", str(runs["gmm"]), "-n", "150", "--source", "gaps.npz", "--out", "again.npz")
    assert np.array_equal(arrays("again.npz")["x"], one)
    assert "gentk impute" in gentk("likelihood", "--weights", str(runs["gmm"]), "--source", "gaps.npz", fails=2)


def save_truth(gentk: Command, runs: Runs) -> str:
    from gentk import dataset
    from gentk.examples import some

    ring = dataset("ring", "test", plugin="stranger")
    np.savez("truth.npz", x=ring.batch(some(len(ring), 150))["x"].numpy())  # type: ignore[attr-defined]
    return "truth.npz"


@pytest.mark.parametrize(
    ("name", "line", "word"),
    [
        ("gmm", ["classify"], "without labels"),
        ("wgan", ["classify"], "no likelihood"),
        ("vae", ["impute", "--missing", "0.5"], "neither an Imputer"),
        ("gmm", ["impute"], "nothing is missing"),
        ("gmm", ["impute", "--missing", "0"], "nothing is missing"),
        ("gmm", ["impute", "--missing", "0.5", "--known-mask", "no.csv"], "no file"),
        ("latent-flow", ["plot", "latent"], "no Encoder"),
    ],
)
def test_what_a_model_cannot_is_told_in_one_line(gentk: Command, runs: Runs, name: str, line: list[str], word: str) -> None:
    command = line[:2] if line[0] == "plot" else line[:1]
    assert word in gentk(*command, "--weights", str(runs[name]), *line[len(command) :], fails=2)
