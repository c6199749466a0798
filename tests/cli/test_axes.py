"""Which two numbers are drawn, the histogram of draws that stands for a marginal, and what is said meanwhile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from gentk import style
from gentk.cli import waiting
from gentk.cli.commands.plot import app, clouds, densities
from gentk.cli.commands.plot.axes import Shown, shown, two
from gentk.cli.subject import Subject
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.plots import planes
from gentk.protocols import Batch, Column, DataSpec, Leaf, Noise
from gentk.stages import stages
from gentk.weights import folder

COLUMNS = (Column(name="sepal length (cm)", decimals=1), Column(name="kind", kind="category", names=("a", "b")),
           Column(name="weight, dry"), Column(name="count", kind="integer"), Column(name="Weight wet"))  # fmt: skip
TABLE = DataSpec(modality="table", leaves={"x": Leaf(shape=(5,), double=True, columns=COLUMNS)})


class Line(nn.Module):
    """Draws of five numbers; the third is normal, the fourth goes with it, the others are far away."""

    data = TABLE
    conditions: dict[str, Any] = {}

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        z = noise.normal(2).double()
        far = torch.full((n,), 1e3, dtype=torch.float64)
        return torch.stack([far, torch.zeros(n), z[:, 0], (10 * z[:, 0] + 3 * z[:, 1]).round(), -far], 1)


class Data:
    """40 rows, every other one of which misses the third number."""

    spec = TABLE

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Batch:
        x = torch.zeros(5, dtype=torch.float64)
        x[2] = torch.nan if index % 2 else index / 40
        return {"x": x}


@pytest.fixture
def stood_in(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"plugin": "classical", "model": "kde", "data": TABLE.model_dump(mode="json")}
    found = Subject("some", Path("some"), config, lookup.find("samplers", "direct").spec, {})
    for module in (clouds, densities):
        monkeypatch.setattr(module, "subject", lambda *words: found)
        monkeypatch.setattr(module, "dataset_of", lambda found, name, split: Data())
    monkeypatch.setattr(folder, "read", lambda place: Line())


def drawn_by(monkeypatch: pytest.MonkeyPatch, *line: str) -> tuple[Any, Any]:
    """What a command said, and the figure that it made."""
    made: list[Any] = []
    monkeypatch.setattr(style, "save", lambda picture, path: made.append(picture))
    done = CliRunner().invoke(app, [*line, "--out", "x.png"], catch_exceptions=False)
    return done, made[0]


@pytest.mark.parametrize(
    ("axes", "places"),
    [
        ("0,3", (0, 3)),
        ("count,0", (3, 0)),
        ("sepal_length,count", (0, 3)),
        ("sepal length (cm),Weight wet", (0, 4)),
        ("weight, dry,count", (2, 3)),  # a name with a comma
        ("sepal,weight_wet", (0, 4)),  # the only one that begins so
        ("weight_dry, 4", (2, 4)),
    ],
)
def test_columns_are_meant_by_name_and_by_place(axes: str, places: tuple[int, int]) -> None:
    assert two(axes, COLUMNS) == places


@pytest.mark.parametrize(
    ("axes", "word"),
    [("kind,0", "kind is a category"), ("weight,0", "no column is called 'weight'"), ("0,0", "twice"), ("5,0", "'5'"), ("", "a comma"),
     (",", "no column is called ''")],
)  # fmt: skip
def test_what_is_no_pair_is_refused_in_one_line(axes: str, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        two(axes, COLUMNS)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_categories_are_not_counted_and_what_is_typed_is_what_is_understood() -> None:
    assert shown(TABLE, "t", None, "a scatter", most=4).places == (0, 2, 3, 4)
    with pytest.raises(UsageError) as caught:
        shown(TABLE, "t", None, "a density")
    offered = re.findall(r"--axes (\S+)", str(caught.value))
    assert len(offered) == 2 and {two(axes, COLUMNS) for axes in offered} == {(0, 2)} and "5 dimensions" in str(caught.value)
    for d, word in ((1, "has 1"), (3, "x0, x1, x2")):
        with pytest.raises(UsageError, match=word):
            shown(DataSpec(modality="points", leaves={"x": Leaf(shape=(d,))}), "t", None, "a density")


def test_rows_that_miss_a_number_are_left_out() -> None:
    which = Shown((2, 0), COLUMNS, True)
    x = torch.tensor([[1.0, 0, torch.nan, 0, 0], [2.0, 0, 3.0, torch.nan, 0]])
    assert which.of(x).tolist() == [[3.0, 2.0]] and which.there(x).tolist() == [False, True]


@pytest.mark.usefixtures("stood_in")
def test_a_density_of_two_of_many_is_the_marginal_of_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells add up to the draws in the picture, along the first axis as the normal law says, whatever the other numbers are."""
    done, made = drawn_by(monkeypatch, "density", "--axes", "2,3", "-n", "20000")
    axes, mesh = made.axes[0], made.axes[0].collections[0]
    shares = np.asarray(mesh.get_array())
    assert 98 < shares.sum() <= 100 + 1e-9
    edges = mesh.get_coordinates()[0, :, 0]
    centres = (edges[1:] + edges[:-1]) / 2
    normal = 100 * np.exp(-(centres**2) / 2) / np.sqrt(2 * np.pi) * np.diff(edges)
    assert np.abs(shares.sum(0) - normal).max() < 0.6
    up = mesh.get_coordinates()[:, 0, 1]
    assert np.allclose(up % 1, 0.5) and np.allclose(np.diff(up) % 1, 0)  # of whole numbers, each cell holds as many as any other
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("weight, dry", "count") and "histogram of 20,000 draws" in axes.get_title()
    assert "whatever the other 3 are" in " ".join(done.output.split())
    assert len(axes.collections[1].get_offsets()) == 20  # the rows that miss nothing


@pytest.mark.usefixtures("stood_in")
def test_a_scatter_of_many_numbers_shows_each_against_each(monkeypatch: pytest.MonkeyPatch) -> None:
    done, made = drawn_by(monkeypatch, "scatter", "-n", "300")
    names = [COLUMNS[j].name for j in (0, 2, 3, 4)]
    assert len(made.axes) == 10 and [axes.get_xlabel() for axes in made.axes if axes.get_xlabel()] == names
    assert "4 of 5 dimensions" in " ".join(done.output.split())
    lower = made.axes[4]  # the third row's second: column 2 to the right, column 3 upwards
    assert lower.collections[0].get_offsets()[:, 0].std() == pytest.approx(1, abs=0.2)
    assert lower.collections[0].get_offsets()[:, 1].std() == pytest.approx(10, abs=2)
    _, made = drawn_by(monkeypatch, "scatter", "-n", "300", "--axes", "count,2")
    assert [axes.get_xlabel() for axes in made.axes] == ["count"] * 3 and made.axes[0].get_ylabel() == "weight, dry"


def test_classes_have_their_colours_and_names_in_a_scatter() -> None:
    about = Leaf(classes=2, names=("upper", "lower"))
    x = np.random.default_rng(0).normal(size=(50, 2))
    made = planes.scatter(x, x, ("data", "samples"), classes=(np.arange(50) % 2, np.arange(50) % 2, about))
    words = [text.get_text() for text in made.legends[0].get_texts()]
    assert words[:2] == ["upper", "lower"] and len(words) == 4
    shades = {tuple(colour) for colour in made.axes[0].collections[0].get_facecolors()}
    assert len(shades) == 2 and len({tuple(colour) for colour in made.axes[2].collections[0].get_facecolors()}) == 1


def test_what_takes_long_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in the first two seconds, then a line every five."""
    now = [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    with waiting.waiting("density"):
        for i, _ in enumerate(stages(range(20), 20)):
            now[0] = float(i + 1)
            if i == 12:
                break
    said = capsys.readouterr().err.splitlines()
    assert [line.split(", ")[0] for line in said] == [f"density: {5 * second}%" for second in (2, 7, 12)]
    assert said[0].endswith("18 s left")
