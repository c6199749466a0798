"""`gentk classify` and `gentk impute` as they are typed, with shipped weights."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gentk.cli import run
from gentk.cli.commands.classify import score

MOONS = ["--weights", "ddpm/moons", "-o", "steps=8"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(capsys: pytest.CaptureFixture[str], *line: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*line, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def rows(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_denoiser_of_each_class_tells_them_apart(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "classify", *MOONS, "-n", "60", "--out", "c.csv")
    assert found["accuracy"] > 0.98 and found["labelled"] == 60 and found["nats"] < 0.05
    assert sum(map(sum, found["confusion"])) == 60 and found["classes"] == ["upper", "lower"]
    table = rows("c.csv")
    assert [row["found"] for row in table] == [found["classes"][k] for k in found["found"]]
    for row, p in zip(table, found["probability"], strict=True):
        assert float(row["p_upper"]) + float(row["p_lower"]) == pytest.approx(1, abs=1e-5)
        assert float(row[f"p_{row['found']}"]) == pytest.approx(p, abs=1e-5)
    assert score(torch.log(torch.tensor([[0.9, 0.1]] * 4)), torch.tensor([0, 0, 0, 1]))["standard_error"] == pytest.approx(0.1875**0.5 / 2)
    right = np.mean([row["found"] == row["label"] for row in table])
    assert right == pytest.approx(found["accuracy"])


def test_what_a_file_does_not_label_is_only_found(capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.csv").write_text("x0,x1\n-0.7,1.0\n0.7,-1.0\n")
    found = told(capsys, "classify", *MOONS, "--source", "p.csv")
    assert found["found"] == [0, 1] and "accuracy" not in found
    assert run(["classify", *MOONS, "--source", "p.csv"]) == 0
    assert "0  upper" in capsys.readouterr().out


def test_samples_of_a_file_bring_their_labels(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "--weights", "ddpm/moons", "-n", "12", "--steps", "8", "--out", "s.npz"]) == 0
    found = told(capsys, "classify", *MOONS, "--source", "s.npz")
    with np.load("s.npz") as file:
        assert found["labelled"] == 12 and np.mean(file["cond_label"] == found["found"]) == found["accuracy"]


def test_empty_cells_are_filled_and_full_ones_stay(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gaps.csv").write_text("x0,x1\n0.123456789,\n,1.5\n0.25,-0.75\n")
    line = ["impute", "--weights", "ddpm/swiss-roll", "--source", "gaps.csv", "-o", "steps=5"]
    found = told(capsys, *line, "--out", "full.csv")
    table = rows("full.csv")
    assert found["filled"] == 2 and "rmse" not in found
    assert np.float32(table[0]["x0"]) == np.float32("0.123456789") and table[1]["x1"] == "1.5" and table[2] == {"x0": "0.25", "x1": "-0.75"}
    assert all(abs(float(table[i][key])) < 4 for i, key in ((0, "x1"), (1, "x0")))
    found = told(capsys, *line, "--missing", "0.9", "--out", "more.csv")
    assert found["filled"] > 2 and found["rmse"] > 0 and "rmse_of_mean" not in found


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (["classify", "--weights", "ddpm/swiss-roll"], "without labels"),
        (["classify", "--weights", "classical/copula"], "no likelihood"),
        (["classify", *MOONS, "--out", "c.png"], ".csv"),
        (["classify", "--weights", "ddpm/moons", "-o", "step=3"], "did you mean 'steps'"),
        (["classify", "--weights", "ddpm/moons", "--label", "1"], "--label"),
        (["impute", "--weights", "ddpm/swiss-roll"], "say what to hide"),
        (["impute", "--weights", "ddpm/swiss-roll", "--missing", "0.5", "-o", "stepz=3"], "stepz"),
        (["impute", "--weights", "ddpm/swiss-roll", "--missing", "2"], "--missing"),
        (["likelihood", "--weights", "ddpm/moons", "-o", "steps=0"], "greater than or equal to 1"),
        (["likelihood", "--weights", "ddpm/moons", "--steps", "3"], "no option --steps"),
        (["reconstruct", "--weights", "ddpm/moons"], "gentk encode"),
        (["interpolate", "--weights", "ddpm/moons", "--labels", "0,1"], "one class at a time"),
        (["inspect", "ddpm/moons", "--facts"], "no facts"),
        (["plot", "rate-distortion", "ddpm/moons"], "no bound of rate and distortion"),
        (["plot", "rate-distortion", "ddpm/moons", "ddpm/moons"], "given twice"),
    ],
)
def test_bad_lines_are_told_in_one_line(line: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(line) == 2
    said = capsys.readouterr().err
    assert word in said and "Traceback" not in said and "bug" not in said


def test_no_flag_is_of_one_family() -> None:
    """What only some models take is said by `-o`: but for the conditions of the weights, a line is the same for all."""
    import inspect
    from importlib import import_module

    for name in ("classify", "encode", "impute", "likelihood", "reconstruct"):
        function = getattr(import_module(f"gentk.cli.commands.{name}"), name)
        parameters = inspect.signature(function, eval_str=True).parameters
        told = [getattr(option, "help", "") or "" for p in parameters.values() for option in getattr(p.annotation, "__metadata__", ())]
        assert len(told) > 8 and not any(word in " ".join(told).lower() for word in ("denoiser", "encoder", "gan"))
        assert not {"steps", "probes", "iterations", "samples"} & set(parameters)
