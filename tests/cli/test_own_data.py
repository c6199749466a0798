"""What a person meets at the command line who brings their own data: words that look like ours, files that are not there, numbers that
are none, rows that are known, examples that are padded."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gentk
from gentk.cli import run
from gentk.cli.commands.impute import commonest, mean
from gentk.cli.globals import hoist
from gentk.cli.out import numbers
from gentk.conditions import File
from gentk.examples import some
from gentk.inference.opening import contents
from gentk.padding import counted


# ---------------------------------------------------------------- words
@pytest.mark.parametrize(
    ("line", "front"),
    [
        (["plugins", "--json"], ["--json"]),
        (["sample", "-xvae", "--json"], ["-xvae", "--json"]),
        (["sample", "-x", "vae"], ["-x", "vae"]),
        (["sample", "--prompt", "-x old"], []),
        (["sample", "--prompt", "-x"], []),
        (["sample", "-o", "-xyz=1", "--json"], ["--json"]),
        (["sample", "--", "--json"], []),
    ],
)
def test_global_options_are_not_taken_out_of_other_options_values(line: list[str], front: list[str]) -> None:
    found = hoist(line)
    assert found[: len(front)] == front and found[len(front) :] == [word for word in line if word not in front]


def test_json_has_null_and_a_word_for_what_is_no_number() -> None:
    told = numbers({"a": 1.0, "b": math.nan, "c": [2.0, -math.inf], "d": {"e": math.inf}})
    assert told == {"a": 1.0, "b": None, "c": [2.0, None], "d": {"e": None}, "not_numbers": ["b is nan", "c[1] is -inf", "d.e is inf"]}
    json.dumps(told, allow_nan=False)
    assert numbers({"a": 1.0}) == {"a": 1.0}


def test_a_file_that_is_not_there_is_said_before_weights_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text("no weights")  # to be met later
    for command in ("likelihood", "classify", "encode", "impute"):
        assert run([command, "--weights", "classical/gmm", "--source", str(tmp_path / "none.csv")]) == 2
        assert "none.csv" in capsys.readouterr().err.splitlines()[-1]


def test_a_mistyped_run_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs" / "moons").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert run(["sample", "--weights", "runs/mons"]) == 2
    assert "no folder runs/mons; did you mean 'moons'?" in capsys.readouterr().err


# ---------------------------------------------------------------- which examples
@pytest.mark.parametrize(("n", "size"), [(100, 10), (2**40, 50), (7, 7), (7, 9)])
def test_only_some_are_always_the_same_choice_and_all_stay_in_order(n: int, size: int) -> None:
    found = some(n, size)
    assert np.array_equal(found, some(n, size)) and len(set(found.tolist())) == min(n, size) and 0 <= found.min() <= found.max() < n
    if size >= n:
        assert found.tolist() == list(range(n))
    else:
        assert found.max() > 2 * size  # not the first ones


# ---------------------------------------------------------------- what counts
def test_what_only_pads_an_example_never_counts() -> None:
    x = torch.tensor([[[1.0], [2.0], [99.0]], [[5.0], [99.0], [99.0]]])
    batch = {"x": x, "length": torch.tensor([2, 1])}
    assert counted(batch).squeeze(-1).tolist() == [[True, True, False], [True, False, False]]
    masked = counted({"x": x, "mask": torch.tensor([[1, 0, 1], [0, 0, 1]])})
    assert masked.squeeze(-1).tolist() == [[True, False, True], [False, False, True]]
    assert mean(batch).flatten().tolist() == [3.0, 2.0, pytest.approx(8 / 3)]  # of a step that no example has, the mean of all
    tokens = {"x": torch.tensor([[3, 1, 0], [3, 0, 0], [2, 1, 0]]), "length": torch.tensor([2, 1, 2])}
    assert commonest(tokens, 4).tolist()[:2] == [3, 1]


def test_the_score_of_ragged_examples_is_that_of_what_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tokens right of the length are padding: they are neither right nor wrong."""
    assert run(["--json", "encode", "--weights", "classical/hmm", "-n", "100", "--out", str(tmp_path / "z.npz")]) == 0
    told = json.loads(capsys.readouterr().out)
    model, held_out = gentk.load("classical/hmm"), gentk.dataset("sentences", "test")
    batch = held_out.batch(some(len(held_out), 100))
    back = model.decode(model.encode(batch), {})
    inside = torch.arange(batch["x"].shape[1]) < batch["length"][:, None]
    assert told["way_back_wrong"] == pytest.approx(float((back != batch["x"])[inside].double().mean()), abs=1e-9)


# ---------------------------------------------------------------- masks
def test_an_alpha_channel_is_a_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alpha = np.zeros((8, 8, 4), np.uint8)
    alpha[..., :3] = 255
    alpha[:4, :, 3] = 255
    Image.fromarray(alpha, "RGBA").save(tmp_path / "mask.png")
    mask = File(shape=(1, 8, 8), mask=True)
    found = mask.prepare(contents(str(tmp_path / "mask.png"), mask)["x"], 1)[0, 0] > 0
    assert found[:4].all() and not found[4:].any()
    Image.new("L", (8, 8), 255).save(tmp_path / "white.png")
    with pytest.raises(ValueError, match="everything as known"):
        mask.prepare(contents(str(tmp_path / "white.png"), mask)["x"], 1)
    Image.new("L", (8, 8), 0).save(tmp_path / "black.png")
    mask.prepare(contents(str(tmp_path / "black.png"), mask)["x"], 1)
    assert "nothing as known" in capsys.readouterr().err


# ---------------------------------------------------------------- options, samples
@pytest.mark.parametrize("line", ["datasets show folder", "models show gmm", "samplers show euler", "models show vae/vae"])
def test_the_options_of_one_are_told(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--json", *line.split()]) == 0
    told = json.loads(capsys.readouterr().out)
    assert all({"name", "type", "default", "required", "meaning"} <= set(row) for row in told["options"]) and len(told["options"]) > 4
    wrong = [*line.split()[:-1], "nonesuch"]
    assert run(wrong) == 2


def test_options_inside_of_an_option_are_told_by_the_name_that_sets_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--json", "datasets", "show", "folder"]) == 0
    told = {row["name"]: row for row in json.loads(capsys.readouterr().out)["options"]}
    assert told["augment.shift"]["type"] == "number from 0 to 0.5" and told["augment.shift"]["default"] == 0


def test_samples_in_hand(tmp_path: Path) -> None:
    drawn = gentk.sample(gentk.load("classical/gmm"), 5)
    assert [set(example) for example in drawn] == [{"x", "label"}] * 5 and drawn.numpy()["x"].shape == (5, 2)
    assert repr(drawn) == "<5 samples, points: x (5, 2) float32, label (5,) int64>"
    png = drawn._repr_png_()
    assert png is not None and png.startswith(b"\x89PNG")
    text = gentk.sample(gentk.load("classical/markov"), 2)
    assert text._repr_png_() is None and str(text._repr_html_()).startswith("<pre>")
    table = gentk.sample(gentk.load("classical/copula"), 4)
    assert "species" in str(table._repr_html_()) and table["x"].dtype == torch.float64


@pytest.mark.parametrize("workers", [0, 2])
def test_any_data_set_works_in_torchs_loader(workers: int) -> None:
    from torch.utils.data import DataLoader

    data = gentk.dataset("iris")
    batches = list(DataLoader(data, batch_size=50, num_workers=workers))  # type: ignore[arg-type]
    assert sum(len(batch["x"]) for batch in batches) == len(data) and torch.equal(batches[0]["x"][7], data[7]["x"])


# ---------------------------------------------------------------- between
def test_conditions_belong_to_the_ends() -> None:
    """Frame 0 of the second way is the last of the first; each end is what its seed alone draws."""
    from gentk.inference.interpolation import conditions_at, seeds

    model = gentk.load("ddpm/moons")
    cond = conditions_at(model, [0, 1, 5], {})
    frames = gentk.interpolate(model, seeds(model, [0, 1, 5]), 4, cond=cond, sampler=gentk.sampler("heun", steps=5))
    assert frames["label"].tolist() == [c for a, b in zip(cond["label"], cond["label"][1:], strict=False) for c in [a, a, b, b]]
    assert torch.allclose(frames["x"][3], frames["x"][4])
    alone = gentk.sample(model, 1, seed=1, sampler=gentk.sampler("heun", steps=5))
    assert int(alone["label"][0]) == int(cond["label"][1]) and torch.allclose(alone["x"][0], frames["x"][3], atol=1e-5)
