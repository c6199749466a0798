"""Editing, guiding, encoding and likelihood as they are typed, with the shipped weights and real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gentk.cli import run


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a digit and a mask whose upper half is white."""
    monkeypatch.chdir(tmp_path)
    assert run(["sample", "-n", "1", "--label", "7", "--steps", "6", "--out", "seven.npz"]) == 0
    x = np.load("seven.npz")["x"][0, 0]
    Image.fromarray(np.round((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8)).save("seven.png")
    mask = np.zeros((28, 28), np.uint8)
    mask[:14] = 255
    Image.fromarray(mask).save("mask.png")
    return tmp_path


def arrays(path: str) -> dict[str, Any]:
    with np.load(path) as file:
        return dict(file)


def pixels(path: str) -> Any:
    return np.asarray(Image.open(path), np.float32) / 127.5 - 1


def test_what_is_known_is_in_every_sample_bit_for_bit(drawn: Path) -> None:
    for more in (["--steps", "4"], ["--sampler", "repaint", "--steps", "4", "--spacing", "karras", "--sigma-max", "20"]):
        line = ["sample", "--known", "seven.png", "--known-mask", "mask.png", "-n", "3", "--label", "1", *more, "--out", "in.npz"]
        assert run(line) == 0
        x = arrays("in.npz")["x"][:, 0]
        assert (x[:, :14] == pixels("seven.png")[:14]).all() and float(np.abs(x[0, 14:] - x[1, 14:]).max()) > 0.1


def test_the_strength_says_how_near_to_the_start_a_sample_stays(drawn: Path) -> None:
    far = []
    for strength in ("0.2", "1"):
        assert run(["sample", "--start", "seven.png", "--strength", strength, "--label", "7", "-n", "4", "--out", "st.npz"]) == 0
        far.append(float(np.abs(arrays("st.npz")["x"][:, 0] - pixels("seven.png")).mean()))
    assert far[0] < 0.05 < far[1]


def test_codes_lead_back_to_the_examples(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["encode", "--source", "seven.png", "--label", "7", "-o", "steps=30", "-o", "iterations=8", "--out", "z.npz", "--json"]
    assert run(line) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["way_back_rms"] < 1e-4
    assert run([*told["sample"].split()[1:], "-n", "1", "--label", "7", "--out", "back.npz"]) == 0
    assert np.abs(arrays("back.npz")["x"][0, 0] - pixels("seven.png")).max() < 1e-3


def test_a_classifier_steers_a_model_that_hears_no_label(drawn: Path) -> None:
    """Guided by the classifier alone, the classifier itself must find the label in most samples; unguided, in few."""
    import torch

    import gentk

    judge, share = gentk.load("ddpm/mnist-classifier"), []
    for more in ([], ["--guide", "ddpm/mnist-classifier", "--scale", "8"]):
        assert run(["sample", "-n", "30", "--label", "0-9", "--guidance", "0", *more, "--out", "g.npz"]) == 0
        found = {key: torch.from_numpy(value) for key, value in arrays("g.npz").items()}
        t = torch.tensor(2e-3, dtype=torch.float64)
        with torch.no_grad():
            share.append(float((judge.logits(found["x"], t).argmax(1) == found["cond_label"]).float().mean()))
    assert share[0] < 0.35 and share[1] > 0.8


def test_ways_between_seeds_begin_and_end_at_their_samples(drawn: Path) -> None:
    assert run(["interpolate", "--weights", "ddpm/swiss-roll", "--seeds", "4,9", "--frames", "5", "-o", "steps=6", "--out", "b.npz"]) == 0
    way = arrays("b.npz")["x"]
    for row, seed in ((0, "4"), (4, "9")):
        assert run(["sample", "--weights", "ddpm/swiss-roll", "-n", "1", "--seed", seed, "--steps", "6", "--out", "s.npz"]) == 0
        assert np.allclose(way[row], arrays("s.npz")["x"][0], atol=1e-5)
    assert run(["interpolate", "--frames", "3", "--label", "2", "--seeds", "0,1", "--steps", "4", "--out", "moves.gif"]) == 0
    with Image.open("moves.gif") as moving:
        assert moving.n_frames == 4  # type: ignore[attr-defined]


def test_likelihood_prefers_the_data(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def nats(*line: str) -> float:
        assert run(["likelihood", *line, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["kind"] == "exact" and len(told["each"]) == told["examples"]
        return float(told["nats"])

    roll = nats("--weights", "ddpm/swiss-roll", "-n", "40", "-o", "steps=30")
    assert roll > nats("--weights", "ddpm/swiss-roll", "-n", "40", "-o", "steps=30", "--dataset", "moons") + 1


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (["sample", "--known", "seven.png"], "given together"),
        (["sample", "--start", "nowhere.png"], "no file nowhere.png"),
        (["sample", "--scale", "2"], "give both"),
        (["sample", "--guide", "ddpm/swiss-roll"], "the guide makes"),
        (["sample", "--guide", "nowhere"], "nowhere"),
        (["sample", "--weights", "ddpm/mnist-classifier"], "is none"),
        (["sample", "--weights", "ddpm/swiss-roll", "--guidance", "2"], "sometimes left out"),
        (["encode", "--out", "z.png", "--source", "seven.png"], ".npz"),
        (["encode", "--source", "seven.png", "--dataset", "mnist"], "give one"),
        (["interpolate", "--seeds", "1"], "two or more"),
        (["likelihood", "--weights", "ddpm/mnist-classifier", "--source", "seven.png", "--label", "1"], "no likelihood"),
    ],
)
def test_bad_lines_are_told_in_one_line(drawn: Path, line: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(line) in (1, 2)
    said = capsys.readouterr().err
    assert word in said and "Traceback" not in said and "bug" not in said
