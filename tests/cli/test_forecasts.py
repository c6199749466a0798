"""`gentk plot forecast` and `plot residuals` as they are typed, with a model that says what it is asked."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from gentk.cli.commands.plot import app, forecasts
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.plots import series
from gentk.protocols import Batch, Column, DataSpec, Forecast, Leaf
from gentk.weights import folder

SPEC = DataSpec(modality="series", leaves={"x": Leaf(shape=(30, 2)), "length": Leaf(classes=31)}, conditions={"label": Leaf(classes=2)})


class Last(nn.Module):
    """The next value is the last one, give or take 1; remembers what it was given."""

    data = SPEC
    conditions: dict[str, Any] = {}
    seen: Batch = {}

    def fitted(self, batch: Batch) -> Tensor:
        x = batch["x"].double()
        means = torch.cat([torch.full_like(x[:, :1], torch.nan), x[:, :-1]], 1)
        return means.masked_fill(torch.arange(x.shape[1])[:, None] >= batch["length"][:, None, None], torch.nan)

    def forecast(self, batch: Batch, steps: int) -> Forecast:
        type(self).seen = batch
        last = batch["x"][torch.arange(len(batch["x"])), batch["length"] - 1].double()
        return Forecast(last[:, None].expand(-1, steps, -1), torch.ones(len(last), steps, last.shape[1]))


class Data:
    """Two series of 30 and of 24 steps that rise by 1 a step."""

    spec = SPEC

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Batch:
        length = (30, 24)[index]
        t = torch.arange(30.0)
        x = torch.stack([t, 10 * t], 1) * (t < length)[:, None]
        return {"x": x, "length": torch.tensor(length), "label": torch.tensor(index)}


@pytest.fixture(autouse=True)
def stood_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some weights' place is taken by `Last`, and their data by `Data`."""
    config = {"plugin": "ddpm", "model": "ddpm", "data": SPEC.model_dump(mode="json")}
    found = forecasts.Subject("some", Path("some"), config, lookup.find("samplers", "direct").spec, {})
    real = forecasts.subject
    monkeypatch.setattr(forecasts, "subject", lambda p, r, w, s, m: found if w == "some" else real(p, r, w, s, m))
    monkeypatch.setattr(folder, "read", lambda place: Last() if str(place) == "some" else nn.Linear(1, 1))
    monkeypatch.setattr(forecasts, "dataset_of", lambda found, name, split: Data())


def run(*line: str) -> Any:
    return CliRunner().invoke(app, line, catch_exceptions=True)


def test_what_is_held_back_is_not_shown_to_the_model(tmp_path: Path) -> None:
    """24 steps of a rise, 4 held back: errors 1 … 4 and ten times as much, one of eight inside ±1.96."""
    done = run("forecast", "--weights", "some", "--example", "1", "--steps", "4", "--out", f"{tmp_path}/f.png")
    assert done.exit_code == 0, done.output or done.exception
    rmse = np.sqrt(np.mean([e**2 for e in (1, 2, 3, 4, 10, 20, 30, 40)]))
    said = " ".join(done.output.split())
    assert "after the 20 that" in said and f"misses them by {rmse:.4g}" in said
    assert "of 8 values that came 1 lie in the 95 % interval" in said
    assert Last.seen["length"].tolist() == [20] and (Last.seen["x"][0, 20:] == 0).all() and Last.seen["label"].tolist() == [1]
    assert torch.equal(Last.seen["x"][0, :20], Data()[0]["x"][:20])
    with Image.open(tmp_path / "f.png") as picture:
        assert picture.width > 800 and np.asarray(picture.convert("L")).std() > 8


def test_a_file_is_gone_on_from_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("day,a,b\n" + "".join(f"d{i},{i},{-i}\n" for i in range(7)))
    line = ("forecast", "--weights", "some", "--source", f"{tmp_path}/x.csv", "--steps", "3", "--out", f"{tmp_path}/f.png")
    done = run(*line)
    assert done.exit_code == 0 and "after the 7 that" in done.output and "came" not in done.output, done.output or done.exception
    assert Last.seen["length"].tolist() == [7]
    done = run(*line, "--held", "5", "--interval", "0.5")
    said = " ".join(done.output.split())
    assert "after the 2 that" in said and f"misses them by {np.sqrt((1 + 4 + 9) / 3):.4g}" in said  # three of the five came


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_forecast_is_written_as_a_table_with_the_dates_and_names_of_its_file(tmp_path: Path) -> None:
    rows = "".join(f"{2020 + (10 + i) // 12}-{(10 + i) % 12 + 1:02d},{-i},{i}\n" for i in range(7))
    (tmp_path / "x.csv").write_text("month,b,a\n" + rows)
    line = ("forecast", "--weights", "some", "--source", f"{tmp_path}/x.csv", "--steps", "3", "--held", "1", "--interval", "0.8")
    done = run(*line, "--out", f"{tmp_path}/f.csv")
    assert done.exit_code == 0, done.output or done.exception
    told = read(tmp_path / "f.csv")
    assert [row["month"] for row in told] == ["2021-05", "2021-06", "2021-07"]
    half = series.width_of(0.8)
    for row in told:
        assert (float(row["b"]), float(row["a"])) == (-5, 5)
        assert float(row["a_low"]) == pytest.approx(5 - half, rel=1e-5) and float(row["a_high"]) == pytest.approx(5 + half, rel=1e-5)
    assert [row["a_came"] for row in told] == ["6", "", ""] and told[0]["b_came"] == "-6"
    assert run(*line, "--out", f"{tmp_path}/f.tsv").exit_code == 0 and "\t" in (tmp_path / "f.tsv").read_text()


def test_channels_of_a_file_are_found_by_their_names(tmp_path: Path) -> None:
    """The file has them the other way round, with another between them; dates that skip one are no clock."""
    named = Leaf(shape=(30, 2), columns=(Column(name="a"), Column(name="b")))
    for last, dated in (("2020-03", True), ("2020-04", False)):
        (tmp_path / "x.csv").write_text(f"month,b,other,a\n2020-01,1,0,2\n2020-02,3,0,4\n{last},5,0,6\n")
        (x,), names, clock = forecasts.from_table(f"{tmp_path}/x.csv", DataSpec(modality="series", leaves={"x": named}))
        assert names == ("a", "b") and x.tolist() == [[2, 1], [4, 3], [6, 5]] and (clock is not None) == dated


def test_without_dates_or_names_a_table_counts_steps_and_numbers_channels(tmp_path: Path) -> None:
    done = run("forecast", "--weights", "some", "--steps", "2", "--held", "0", "--out", f"{tmp_path}/f.csv")
    assert done.exit_code == 0, done.output or done.exception
    told = read(tmp_path / "f.csv")
    assert list(told[0]) == ["time", "x0", "x0_low", "x0_high", "x1", "x1_low", "x1_high"] and [row["time"] for row in told] == ["30", "31"]


def test_residuals_are_what_the_fit_leaves(tmp_path: Path) -> None:
    done = run("residuals", "--weights", "some", "--lags", "5", "--out", f"{tmp_path}/r.png")
    assert done.exit_code == 0, done.output or done.exception
    said = " ".join(done.output.split())
    assert "29 residuals" in said and "of 10 autocorrelations" in said and "standard deviation 4.5" in said  # 1s and 10s
    assert "23 residuals" in run("residuals", "--weights", "some", "--example", "1", "--out", f"{tmp_path}/r.png").output
    with Image.open(tmp_path / "r.png") as picture:
        assert picture.width > 800 and np.asarray(picture.convert("L")).std() > 8


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (["forecast", "--weights", "ddpm/moons"], "forecasts are of series, and ddpm/moons makes points"),
        (["residuals", "--weights", "ddpm/mnist"], "makes image"),
        (["forecast", "--weights", "some", "--steps", "30"], "of 30 steps 30 are held back"),
        (["forecast", "--weights", "some", "--example", "2"], "no series 2, they are numbered 0 to 1"),
        (["forecast", "--weights", "some", "--source", "x.csv", "--dataset", "y"], "give one"),
        (["forecast", "--weights", "some", "--source", "none.csv"], "no file none.csv"),
        (["residuals", "--weights", "some", "--source", "SHORT"], "1 residuals are too few"),
        (["residuals", "--weights", "some", "--source", "NARROW"], "channels"),
        (["forecast", "--weights", "some", "--out", "f.pdf"], "is saved as"),
    ],
)
def test_bad_lines_are_told_in_one_line(line: list[str], word: str, tmp_path: Path) -> None:
    (tmp_path / "short.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "narrow.csv").write_text("a\n1\n3\n")
    line = [str(tmp_path / f"{w.lower()}.csv") if w in ("SHORT", "NARROW") else w for w in line]
    out = [] if "--out" in line else ["--out", str(tmp_path / "p.png")]
    done = run(*line, *out)
    assert isinstance(done.exception, UsageError) and word in str(done.exception) and "\n" not in str(done.exception)


def test_a_model_that_does_not_forecast_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folder, "read", lambda place: nn.Linear(1, 1))
    done = run("forecast", "--weights", "some", "--out", str(tmp_path / "p.png"))
    assert isinstance(done.exception, UsageError) and "is no Forecaster" in str(done.exception)
