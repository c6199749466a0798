"""`gentk plot`: what the pictures are made from, and every kind as it is typed."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from gentk.cli.commands.plot import app
from gentk.cli.commands.plot.densities import lattice
from gentk.cli.commands.plot.looks import visible, walked
from gentk.errors import UsageError
from gentk.gaussian.circle import angle
from gentk.gaussian.samplers import DDIM
from gentk.gaussian.schedules import Cosine, Karras, LinearBeta, Rectified, at
from gentk.inference.sampling import sample
from gentk.noise import Philox
from gentk.plots import states
from gentk.runs import Run
from gentk.weights import load


@pytest.fixture(scope="module")
def roll() -> Any:
    return load("ddpm/swiss-roll")


def run(*line: str) -> Any:
    return CliRunner().invoke(app, line, catch_exceptions=True)


def flat(done: Any) -> str:
    """What was said, in one line."""
    return " ".join(done.output.split())


def share(done: Any) -> float:
    """How much of the probability a picture is said to hold."""
    return float(re.findall(r"([\d.]+)\s?%", flat(done))[-1]) / 100


def test_noised_states_share_one_noise_and_end_at_both_ends() -> None:
    x, eps = torch.randn(3, 2, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    first, middle, last = states.noised(x, eps, Rectified(), [0.0, 0.25, 1.0])
    assert torch.equal(first, x) and torch.equal(last, eps) and torch.allclose(middle, 0.75 * x + 0.25 * eps)
    assert torch.allclose(states.viewable(3 * x, Karras(4.0), 0.5), 3 * x / math.hypot(1, 2))


@pytest.mark.parametrize("schedule", [Cosine(), Rectified(), Karras(80.0), LinearBeta()], ids=lambda s: type(s).__name__)
def test_columns_are_equal_steps_of_what_is_seen(schedule: Any) -> None:
    times = visible(schedule, 6)
    assert times[0] == 0 and times[-1] == 1 and times == sorted(times)
    turns = np.diff([angle(schedule, t) for t in times])
    assert np.allclose(turns, turns[0], rtol=0.02)


def test_both_ends_are_among_the_chosen_states() -> None:
    for total in (1, 4, 12, 1000):
        for columns in (2, 5, 8):
            chosen = states.chosen(total, columns)
            assert chosen[0] == 0 and chosen[-1] == total and len(chosen) == min(columns, total + 1)


def test_a_walk_begins_at_the_noise_and_ends_at_the_samples(roll: Any) -> None:
    sampler = DDIM(steps=6)
    seen = walked(roll, sampler, 4, 3, {}, 4, preview=False)
    assert torch.allclose(seen[-1][0], sample(roll, 4, seed=3, sampler=sampler)["x"])
    sigma = at(roll.schedule, 1.0)[1]
    assert torch.allclose(seen[0][0], Philox(3, range(4)).normal(2) * sigma / math.hypot(1, sigma))


def test_the_grid_runs_along_x_and_upwards() -> None:
    points = lattice(((0.0, 2.0), (10.0, 14.0)), 3)
    assert points.tolist() == [[x, y] for y in (10, 12, 14) for x in (0, 1, 2)]


@pytest.mark.parametrize("weights", ["ddpm/moons"])
def test_the_density_has_the_mass_of_one(weights: str, tmp_path: Path) -> None:
    done = run("density", "--weights", weights, "--grid", "22", "--out", f"{tmp_path}/d.png")
    assert done.exit_code == 0, done.output
    assert "of each of 2 classes" in flat(done) and share(done) == pytest.approx(1, abs=0.03)
    one = run("density", "--weights", weights, "--grid", "22", "--label", "1", "--out", f"{tmp_path}/one.png")
    assert "class lower" in flat(one) and "of each" not in flat(one) and share(one) == pytest.approx(1, abs=0.03)
    pixels = np.asarray(Image.open(tmp_path / "d.png"))
    assert pixels.std() > 20


def test_every_kind_draws(tmp_path: Path) -> None:
    """Each writes a picture with something on it, and says where."""
    weights = ("--weights", "ddpm/moons")
    lines = {
        "schedule": ["cosine", "rectified", "karras"],
        "forward": [*weights, "-n", "300", "--times", "4"],
        "reverse": [*weights, "-n", "200", "--columns", "4", "-o", "steps=5", "--label", "1"],
        "paths": [*weights, "-n", "5", "-o", "steps=5"],
        "scatter": [*weights, "-n", "200"],
    }
    for kind, line in lines.items():
        path = tmp_path / f"{kind}.png"
        done = run(kind, *line, "--out", str(path))
        assert done.exit_code == 0 and path.name in done.output, done.output
        with Image.open(path) as picture:
            assert picture.width > 400 and np.asarray(picture.convert("L")).std() > 8


def test_losses_of_several_runs_in_one_picture(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.jsonl").write_text("".join(json.dumps({"step": i, "loss": 1 / (i + 1)}) + "\n" for i in range(50)))
    assert len(Run(tmp_path / "a").log()) == 50
    done = run("loss", f"{tmp_path}/a", f"{tmp_path}/b", "--out", f"{tmp_path}/l.png")
    assert done.exit_code == 0 and (tmp_path / "l.png").is_file()


def test_by_default_all_schedules_that_need_no_options_are_drawn(tmp_path: Path) -> None:
    said = run("schedule", "--out", f"{tmp_path}/s.png").output.replace("\n", " ")
    assert all(name in said for name in ("linear", "cosine", "rectified", "karras")) and "betas" not in said


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for place in ("x/run", "y/run", "z/other"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "log.jsonl").write_text('{"step": 1, "loss": 1.0}\n')
    lines = [str(tmp_path / place) for place in ("x/run", "y/run", "z/other")]
    said = run("loss", *lines, "--out", f"{tmp_path}/l.png").output
    assert lines[0] in said and lines[1] in said and lines[2] not in said and "other" in said


def test_help_imports_nothing_heavy() -> None:
    """Of all kinds in one process: whatever one of them imports is seen at the end."""
    kinds = ["schedule", "forward", "reverse", "paths", "scatter", "density", "loss", "latent", "manifold", "rate-distortion"]
    probe = (
        f"import sys; from gentk.cli import run; [run(['plot', kind, '--help']) for kind in {kinds}]; print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert ran.stdout.count("Usage") == len(kinds)
    assert not {"torch", "numpy", "matplotlib"} & set(ran.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (["paths", "--weights", "ddpm/mnist"], "two numbers of points or tables"),
        (["density", "--weights", "ddpm/mnist"], "two numbers of points or tables"),
        (["scatter", "--weights", "ddpm/mnist", "--axes", "0,1"], "two numbers of points or tables"),
        (["density", "--weights", "classical/bayes-net"], "table of categories"),
        (["density", "--weights", "classical/kde"], "4 dimensions (sepal length (cm), sepal width (cm), petal length (cm),"),
        (["density", "--weights", "classical/kde"], "--axes sepal_length,sepal_width or --axes 0,1"),
        (["density", "--weights", "classical/kde", "--axes", "sepal_lenth,3"], "did you mean 'sepal_length'"),
        (["scatter", "--weights", "classical/kde", "--axes", "2"], "with a comma between them"),
        (["scatter", "--weights", "classical/kde", "--axes", "0,4"], "'4'"),
        (["scatter", "--weights", "classical/kde", "--axes", "2,petal length (cm)"], "petal length (cm) twice"),
        (["scatter", "--weights", "classical/kde", "--label", "1"], "knows no labels"),
        (["density", "--weights", "ddpm/moons", "--label", "7"], "classes are 0-1"),
        (["forward", "--out", "x.pdf"], ".png"),
        (["reverse", "--weights", "ddpm/mnist-classifier"], "is no Denoiser"),
        (["schedule", "cosin"], "did you mean 'cosine'"),
        (["schedule", "cosine", "betas"], "needs betas"),
        (["loss", "nowhere"], "no run"),
        (["scatter", "--weights", "ddpm/moons", "--dataset", "mooons"], "moons"),
    ],
)
def test_bad_lines_are_told_in_one_line(line: list[str], word: str) -> None:
    done = run(*line)
    assert isinstance(done.exception, UsageError) and word in str(done.exception) and "\n" not in str(done.exception)


def test_a_file_against_a_data_set_needs_no_weights(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", x=np.random.default_rng(0).normal(size=(40, 2)).astype("f4"))
    done = run("scatter", "--samples", f"{tmp_path}/m.npz", "--dataset", "moons", "--out", f"{tmp_path}/s.png")
    assert done.exit_code == 0 and "40 from" in flat(done), done.output


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (["density", "--weights", "ddpm/swiss-roll", "--label", "3"], "knows no labels"),
        (["density", "--weights", "ddpm/moons", "--label", "0,1"], "one class"),
        (["reverse", "--model", "ddpm-point"], "did you mean 'ddpm-points'"),
    ],
)
def test_what_a_picture_cannot_show_is_refused(line: list[str], word: str) -> None:
    done = run(*line)
    assert isinstance(done.exception, UsageError) and word in str(done.exception) and "\n" not in str(done.exception)
