"""A table as vectors: what goes in comes out, numbers are standard normal whatever their law, and any model draws rows through it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

import gentk
from gentk.cli import run
from gentk.errors import GentkError, UsageError
from gentk.host import lookup
from gentk.table_encoding import TableEncoding
from gentk_datasets.table_files import table

ROWS = 600


@pytest.fixture
def people(tmp_path: Path) -> str:
    """Numbers, whole numbers, dates, categories of two and of several states, gaps in all but two, and a label."""
    rng = np.random.default_rng(0)
    with (tmp_path / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["wage", "age", "since", "town", "member", "rich"])
        for _ in range(ROWS):
            wage = 0.0 if rng.random() < 0.4 else round(float(rng.lognormal(3, 1)), 2)
            day = str(np.datetime64("2020-01-01") + int(rng.integers(0, 900)))
            row = [wage, int(rng.integers(18, 80)), day, ["Ulm", "Bonn", "Kiel"][rng.integers(3)], ["yes", "no"][rng.integers(2)]]
            gaps = ["" if rng.random() < 0.1 and i not in (0, 4) else cell for i, cell in enumerate(row)]
            writer.writerow([*gaps, ["no", "yes"][wage > 20]])
    return str(tmp_path / "people.csv")


def test_what_goes_in_comes_out(people: str) -> None:
    data = table(path=people, test_share=0)
    encoding, x = TableEncoding.of(data), data.batch(range(ROWS))["x"]
    z = encoding.encode({"x": x})
    back = encoding.decode(z, {})
    assert z.dtype == torch.float32 and tuple(z.shape) == (ROWS, *encoding.latent.shape) and not z.isnan().any()
    assert torch.equal(back.isnan(), x.isnan())
    whole = [1, 2, 3, 4, 5]  # whole numbers, dates and states to the last bit, numbers as near as float32 ranks are
    assert torch.equal(back[:, whole].nan_to_num(), x[:, whole].nan_to_num())
    assert torch.allclose(back[:, 0], x[:, 0], rtol=1e-4)


def test_numbers_are_standard_normal_and_values_that_came_often_come_again(people: str) -> None:
    data = table(path=people, test_share=0)
    encoding = TableEncoding.of(data)
    age = encoding.encode(data.batch(range(ROWS)))[:, int((encoding.parts == 1).nonzero()[0, 0])]
    assert abs(float(age.mean())) < 0.05 and abs(float(age.std()) - 0.97) < 0.1
    drawn = encoding.decode(torch.randn(4000, *encoding.latent.shape, generator=torch.Generator().manual_seed(0)), {})
    wages = data.batch(range(ROWS))["x"][:, 0]
    assert abs(float((drawn[:, 0] == 0).double().mean() - (wages == 0).double().mean())) < 0.04
    assert float(drawn[:, 0].min()) >= 0 and float(drawn[:, 0].max()) <= float(wages.max())


LINES = ["--plugin ddpm --recipe moons --set model.config.width=32", "--plugin vae --recipe mnist --set model.config.net=dense"]


@pytest.mark.parametrize("line", LINES)
def test_any_model_draws_rows_through_it(line: str, people: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    label = ["--set", "dataset.options.label=rich"] if "ddpm" in line else []
    small = ["--set", "training.steps=3", "--set", "training.batch_size=32", "--set", "training.evaluate_every=2"]
    assert run(["train", *line.split(), "--dataset", f"table:{people}", *label, *small, "--out", "run"]) == 0
    assert run(["sample", "--weights", "run", "-n", "20", "--out", "made.csv"]) == 0
    with open("made.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20 and list(rows[0]) == ["wage", "age", "since", "town", "member", "rich"]
    assert {row["town"] for row in rows} <= {"Ulm", "Bonn", "Kiel", ""}
    assert all(row["age"] in ("", str(int(row["age"] or 0))) for row in rows)
    with pytest.raises(UsageError, match="encoded columns"):
        gentk.log_prob(gentk.load("run"), {"x": table(path=people).batch(range(3))["x"]})
    if "ddpm" in line:
        Path("row.csv").write_text("town,age\nKiel,44\n")
        assert run(["sample", "--weights", "run", "-n", "5", "--known", "row.csv", "--label", "yes", "--out", "given.csv"]) == 0
        with open("given.csv", newline="") as file:
            assert {(row["town"], row["age"], row["rich"]) for row in csv.DictReader(file)} == {("Kiel", "44", "yes")}
        assert run(["impute", "--weights", "run", "--missing", "0.3", "-n", "20", "--out", "filled.csv"]) == 0
        assert run(["classify", "--weights", "run", "-n", "10"]) == 0


def test_what_of_the_core_is_no_model_is_still_refused_in_a_line() -> None:
    with pytest.raises(GentkError, match="a model of no installed plugin"):
        lookup.identify(gentk.guided(gentk.load("ddpm/moons"), gentk.load("ddpm/moons"), 2.0))
