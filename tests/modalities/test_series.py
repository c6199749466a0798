"""Series: tables are exact, foreign ones are understood, and pictures show values where they are. And tables of discrete variables."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gentk.errors import UsageError
from gentk.host.lookup import modality as known
from gentk.modalities import modality
from gentk.modalities.series import APART, Series, _times, read_series
from gentk.modalities.table import Table
from gentk.protocols import Clock, Column, DataSpec, Leaf
from gentk.style import CLASSES
from tests.modalities.test_points import near

SERIES = modality("series")
SPEC = DataSpec(modality="series", leaves={"x": Leaf(shape=(9, 2)), "length": Leaf(classes=10)}, conditions={"label": Leaf(classes=3)})


def batch(n: int = 3) -> dict[str, torch.Tensor]:
    x = torch.randn(n, 9, 2, generator=torch.Generator().manual_seed(0))
    return {"x": x, "length": torch.tensor([9, 4, 7][:n]), "label": torch.tensor([2, 0, 1][:n])}


def written(folder: Path, text: str) -> Path:
    path = folder / "x.csv"
    path.write_text(text)
    return path


def test_both_are_found_by_name() -> None:
    assert isinstance(SERIES, Series) and isinstance(known("series"), Series) and isinstance(known("table"), Table)
    SERIES.check(SPEC)
    for shape, classes in (((9,), 0), ((9, 2), 4)):
        with pytest.raises(UsageError, match="series are"):
            SERIES.check(DataSpec(modality="series", leaves={"x": Leaf(shape=shape, classes=classes)}))


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".safetensors"])
def test_what_is_saved_is_what_is_read_to_the_last_bit_without_the_padding(tmp_path: Path, suffix: str) -> None:
    SERIES.save(batch(), SPEC, tmp_path / f"x{suffix}")
    found = read_series(tmp_path / f"x{suffix}")
    assert [len(one) for one in found] == [9, 4, 7]
    assert all((one == x[: len(one)].numpy()).all() for one, x in zip(found, batch()["x"], strict=True))


def test_the_table_names_series_time_channels_and_conditions(tmp_path: Path) -> None:
    x = torch.tensor([[[0.5, -2.0], [1.0, math.nan]], [[3.0, 4.0], [0.0, 0.0]]])
    SERIES.save({"x": x, "length": torch.tensor([2, 1]), "label": torch.tensor([1, 0])}, SPEC, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "series,time,x0,x1,label\n0,0,0.5,-2,1\n0,1,1,,1\n1,0,3,4,0\n"
    SERIES.save({"x": x[1:, :1]}, SPEC, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "time,x0,x1\n0,3,4\n"


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_a_model_is_given_the_last_steps_that_it_takes(tmp_path: Path, suffix: str) -> None:
    SERIES.save({"x": batch()["x"]}, SPEC, tmp_path / f"x{suffix}")
    assert (SERIES.read(tmp_path / f"x{suffix}", (4, 2)) == batch()["x"][:, 5:].numpy()).all()
    SERIES.save({"x": batch(1)["x"]}, SPEC, tmp_path / f"x{suffix}")
    assert SERIES.read(tmp_path / f"x{suffix}", (9, 2)).shape == (9, 2)
    for shape, word in (((10, 2), "9 steps of 2 channels, wanted are 10 steps"), ((4, 1), "wanted are 4 steps of 1 channel")):
        with pytest.raises(UsageError, match=word):
            SERIES.read(tmp_path / f"x{suffix}", shape)


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_examples_of_any_length_are_read_where_examples_have_one(tmp_path: Path, suffix: str) -> None:
    """Shorter ones are padded, of longer ones the last steps are taken; without the leaf `length` a short one is refused."""
    x = torch.cat([batch()["x"], torch.zeros(3, 3, 2)], 1)
    SERIES.save({"x": x, "length": torch.tensor([12, 4, 9]), "label": batch()["label"]}, SPEC, tmp_path / f"x{suffix}")
    found = SERIES.read_examples(tmp_path / f"x{suffix}", SPEC)
    assert found["length"].tolist() == [9, 4, 9] and found["x"].shape == (3, 9, 2)
    assert (found["x"][0] == x[0, 3:].numpy()).all() and (found["x"][1, :4] == x[1, :4].numpy()).all() and not found["x"][1, 4:].any()
    assert found["cond_label"].tolist() == batch()["label"].tolist()
    bare = SPEC.model_copy(update={"leaves": {"x": Leaf(shape=(4, 2))}})
    assert (SERIES.read_examples(tmp_path / f"x{suffix}", bare)["x"][1] == x[1, :4].numpy()).all()
    with pytest.raises(UsageError, match="holds 4 steps"):
        SERIES.read_examples(tmp_path / f"x{suffix}", bare.model_copy(update={"leaves": {"x": Leaf(shape=(5, 2))}}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Month","Passengers"\r\n"1949-01",112\r\n"1949-02",118\r\n', [[112], [118]]),
        ("\ufeffYear,a,b\n1900,1,2\n1901,3,4\n", [[1, 2], [3, 4]]),
        ("a,b\n1.5,2e3\n\n-3,4\n", [[1.5, 2000], [-3, 4]]),
        ("when,x\nmon,1\ntue,2\n", [[1], [2]]),
        ("x0,note,x1\n1,7,2\n3,8,4\n", [[1, 2], [3, 4]]),
    ],
)
def test_foreign_tables_are_understood(tmp_path: Path, text: str, expected: list[list[float]]) -> None:
    """A first column of dates, or called so, is no channel; any other column is one. Ours say which by their names."""
    (found,) = read_series(written(tmp_path, text))
    assert found.dtype == np.float32 and found.tolist() == expected


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    path = written(tmp_path, "day,high,place,low\n1,5,Oslo,-1\n2,6,Oslo,0\n")
    (found,) = read_series(path, columns=["low", "high"])
    assert found.tolist() == [[-1, 5], [0, 6]]
    with pytest.raises(UsageError, match="did you mean 'high'"):
        read_series(path, columns=["hihg"])


def test_gaps_are_numbers_that_are_missing_only_where_they_are_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "t,x\nmon,1\ntue,\nwed,3\n")
    (found,) = read_series(path, gaps=True)
    assert np.isnan(found[1, 0]) and found[[0, 2], 0].tolist() == [1, 3]
    spec = DataSpec(modality="series", leaves={"x": Leaf(shape=(3, 1))})
    assert np.isnan(SERIES.read_examples(path, spec, gaps=True)["x"][0, 1, 0])
    for read in (lambda: read_series(path), lambda: SERIES.read(path, (3, 1)), lambda: SERIES.read_examples(path, spec)):
        with pytest.raises(UsageError, match="step 1 of channel 0 is empty"):
            read()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,b\n1,2\n3\n", "line 3 has 1 cells, the header has 2"),
        ("a,b\n1,x\n", "line 2, column 'b': 'x' is no number"),
        ("a,b\n1,2\nx,2\n", "line 3, column 'a': 'x' is no number"),
        ("1,2\n3,4\n", "the first line holds numbers"),
        ("day\nmon\n", "no column of numbers"),
        ("a\n", "holds no step"),
        ("", "no column of numbers"),
        ("a\ninf\n", "is inf"),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_series(written(tmp_path, text))
    assert word in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["none.csv", "none.npz", "x.txt"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"no file|are read from \.csv"):
        read_series(tmp_path / name)


# ---------------------------------------------------------------- pictures
def ramp(n: int, length: int = 50) -> dict[str, torch.Tensor]:
    """A line upwards, padded with what would be seen far below it."""
    x = torch.full((n, 50, 1), -100.0)
    x[:, :length, 0] = torch.linspace(0, 1, length)
    return {"x": x, "length": torch.full((n,), length)}


def test_a_line_goes_where_its_values_are_and_padding_is_not_drawn() -> None:
    drawn = np.asarray(SERIES.picture(ramp(1), SPEC))
    places = near(drawn, CLASSES[0])
    left, right = places[places[:, 1].argmin()], places[places[:, 1].argmax()]
    assert left[0] > right[0] + 200 and right[1] > left[1] + 700  # rows count downwards
    half = near(np.asarray(SERIES.picture(ramp(1, 25), SPEC)), CLASSES[0])
    assert abs(half[:, 0].min() - places[:, 0].min()) < 4  # still as high: the padding did not set the axes


def test_few_series_stand_apart_and_many_on_each_other() -> None:
    few, many = SERIES.picture(ramp(APART), SPEC), SERIES.picture(ramp(APART + 1), SPEC)
    assert few.height > 1.5 * many.height and few.width == many.width
    assert SERIES.picture(ramp(4), SPEC, columns=1).height > SERIES.picture(ramp(4), SPEC).height
    labelled = SERIES.picture({**ramp(APART + 1), "label": torch.full((APART + 1,), 2)}, SPEC)
    assert len(near(np.asarray(labelled), CLASSES[2])) > 100 and not len(near(np.asarray(labelled), CLASSES[0]))


def test_channels_with_names_and_classes_have_a_legend_below_the_series() -> None:
    """It is there for names and for several channels alone, in the colours that are drawn."""
    looks: list[dict[str, Any]] = [{"shape": (20, 2), "columns": columns} for columns in ((), (Column(name="a"), Column(name="b")))]
    x = torch.zeros(1, 20, 2)
    one = DataSpec(modality="series", leaves={"x": Leaf(shape=(20, 1))})
    height = SERIES.picture({"x": x[..., :1]}, one).height
    for about in looks:
        picture = np.asarray(SERIES.picture({"x": x}, DataSpec(modality="series", leaves={"x": Leaf(**about)})))
        assert picture.shape[0] > height
        for colour in CLASSES[:2]:
            assert len(near(picture[height:], colour)), colour


def test_series_of_one_clock_are_drawn_over_its_dates() -> None:
    clock = Clock(name="month", format="%Y-%m", start=0.0, every=1, unit="month")
    dated = DataSpec(modality="series", leaves={"x": Leaf(shape=(20, 1), clock=clock)})
    times, unit = _times({"x": torch.zeros(2, 20, 1), "time": torch.tensor([3, 3])}, dated, 20)
    assert unit == "month" and times[0] == 90 and times[12] == 90 + 365  # the first of April 1970
    times, unit = _times({"x": torch.zeros(2, 20, 1), "time": torch.tensor([3, 4])}, dated, 20)
    assert unit == "step" and list(times) == list(range(20))


def test_an_animation_keeps_its_axes(tmp_path: Path) -> None:
    low, high = ramp(1), {"x": ramp(1)["x"] + 3}
    first, second = (near(np.asarray(frame), CLASSES[0]) for frame in SERIES.frames([low, high], SPEC))
    assert first[:, 0].min() > second[:, 0].max() + 20
    SERIES.animate([low, high], SPEC, tmp_path / "x.gif")
    for bare in ({"x": torch.full((1, 5, 1), math.nan)}, {"x": torch.ones(1, 1, 1)}):
        SERIES.save(bare, SPEC, tmp_path / "x.png")  # nothing to see, and yet a picture


# ---------------------------------------------------------------- tables
STATES = DataSpec(modality="table", leaves={"x": Leaf(shape=(3,), classes=4)}, conditions={"label": Leaf(classes=2)})


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".safetensors"])
def test_a_table_of_states_comes_back(tmp_path: Path, suffix: str) -> None:
    rows, kind = {"x": torch.tensor([[0, 3, 1], [2, 2, 0]]), "label": torch.tensor([1, 0])}, modality("table")
    kind.check(STATES)
    kind.save(rows, STATES, tmp_path / f"x{suffix}")
    assert kind.read(tmp_path / f"x{suffix}", (3,)).tolist() == rows["x"].tolist()
    if suffix == ".csv":
        assert (tmp_path / "x.csv").read_text() == "x0,x1,x2,label\n0,3,1,1\n2,2,0,0\n"


def test_a_state_that_is_missing_is_nan_where_it_is_asked_for(tmp_path: Path) -> None:
    path, kind = written(tmp_path, "x0,x1,x2\n1,,2\n"), modality("table")
    x = kind.read_examples(path, STATES, gaps=True)["x"]
    assert np.isnan(x[0, 1]) and x[0, [0, 2]].tolist() == [1, 2]
    with pytest.raises(UsageError, match="are missing"):
        kind.read_examples(path, STATES)


def test_what_is_no_table_of_states_is_refused(tmp_path: Path) -> None:
    kind = modality("table")
    with pytest.raises(UsageError, match="rows of discrete variables"):
        kind.check(DataSpec(modality="table", leaves={"x": Leaf(shape=(3,))}))
    for text in ("x0,x1\n1,2\n", "x0,x1,x2\n1,2,0.5\n"):
        with pytest.raises(UsageError, match="x0, x1, x2"):
            kind.read(written(tmp_path, text), (3,))
