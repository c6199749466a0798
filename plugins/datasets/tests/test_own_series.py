"""Series as people have them: names and dates are kept, digits too, and gaps in time are said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gentk.dates import clock_of, date_of, days, format_of, time_of
from gentk.errors import UsageError
from gentk.modalities import modality
from gentk_datasets.series import series
from gentk_datasets.text import text

LOAD = "month,load,temp\n" + "".join(f"20{20 + i // 12}-{i % 12 + 1:02d},{100 + i}.5,{1e8 + i / 8}\n" for i in range(30))


def written(folder: Path, content: str | bytes, name: str = "x.csv") -> str:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder / name)


def test_names_dates_and_digits_are_kept(tmp_path: Path) -> None:
    data = series(path=written(tmp_path, LOAD))
    leaf = data.spec.leaves["x"]
    assert [column.name for column in leaf.columns] == ["load", "temp"] and leaf.clock is not None and leaf.clock.unit == "month"
    batch = data.batch([0])
    assert batch["x"].dtype == torch.float64 and batch["x"][0, 3].tolist() == [103.5, 1e8 + 0.375]
    modality("series").save(batch, data.spec, tmp_path / "y.csv")
    lines = (tmp_path / "y.csv").read_text().splitlines()
    assert lines[:2] == ["month,load,temp", "2020-01,100.5,100000000"] and lines[14] == "2021-02,113.5,100000001.625"
    again = series(path=str(tmp_path / "y.csv"), test_share=0)
    assert torch.equal(again.batch([0])["x"][0], batch["x"][0, : int(batch["length"])])


def test_no_column_is_dropped_without_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert series(path=written(tmp_path, "x1,y\n1,2\n3,4\n5,6\n")).spec.shape == (3, 2)
    series(path=written(tmp_path, "x0,note\n1,2\n3,4\n5,6\n"))
    assert "not looked at: note" in capsys.readouterr().err
    assert series(path=written(tmp_path, "timestamp,x\n7,1\n8,2\n9,3\n")).spec.shape == (3, 1)
    assert series(path=written(tmp_path, "Unnamed: 0,x\n0,1\n1,2\n2,3\n")).spec.shape == (3, 1)


def test_gaps_in_time_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    series(path=written(tmp_path, "day,x\n2024-01-01,1\n2024-01-02,2\n2024-01-05,3\n2024-01-06,4\n"))
    assert "2 steps are left out" in capsys.readouterr().err
    series(path=written(tmp_path, "day,x\n2024-01-03,1\n2024-01-02,2\n2024-01-05,3\n"))
    assert "equal steps" in capsys.readouterr().err


@pytest.mark.parametrize("cells", [["1949-01", "1949-02"], ["31.12.2024 05:06", "1.1.2024 5:07"], ["1/2/2024", "13/2/2024"], ["Jan 2024"]])
def test_a_date_is_written_as_it_was_read(cells: list[str]) -> None:
    format = format_of(cells)
    assert format is not None
    for cell in cells:
        assert days(date_of(days(cell, format), format), format) == days(cell, format)
    assert format_of(["12.5.3"]) is None and format_of(["1.5"]) is None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2024-11", "2024-12", "2025-01"], "2025-03"),
        (["2024-01-31", "2024-02-07", "2024-02-14"], "2024-02-28"),
        (["01.01.2024 22:00", "01.01.2024 23:00", "02.01.2024 00:00"], "02.01.2024 02:00"),
    ],
)
def test_a_clock_goes_on(cells: list[str], expected: str) -> None:
    clock, gaps = clock_of("t", cells)
    assert clock is not None and not gaps
    assert [time_of(clock, i) for i in range(3)] == cells and time_of(clock, 4) == expected


# ---------------------------------------------------------------- text
def test_words_of_one_character_keep_their_blanks(tmp_path: Path) -> None:
    data = text(path=written(tmp_path, "A C G T\nT G A\n" * 30, "x.txt"), unit="word", lines=True)
    kind = modality("text")
    assert kind.words(data.batch([0]), data.spec) == "A C G T"
    found = kind.read_examples(written(tmp_path, "G A\n", "y.txt"), data.spec)
    names = data.spec.leaves["x"].names
    assert [names[i] for i in found["x"][0, : int(found["length"][0])]] == ["G", "A", "\n"]


def test_marks_line_ends_and_encodings_of_text(tmp_path: Path) -> None:
    plain = text(path=written(tmp_path, "ab\nba\n" * 99, "a.txt"), length=4)
    for content in (("\ufeff" + "ab\r\nba\r\n" * 99).encode(), ("ab\nba\n" * 99).encode("utf-16")):
        other = text(path=written(tmp_path, content, "b.txt"), length=4)
        assert other.spec == plain.spec and torch.equal(other.batch([0])["x"], plain.batch([0])["x"])
    with pytest.raises(UsageError, match=r"line 2\); it looks like cp1252: set dataset\.options\.encoding"):
        text(path=written(tmp_path, "ab\n\x80uro\n".encode("latin-1"), "c.txt"))
    assert "€" in text(path=str(tmp_path / "c.txt"), encoding="cp1252", length=2, test_share=0).spec.leaves["x"].names
    for content in ("", " \n\n"):
        with pytest.raises(UsageError, match="no text"):
            text(path=written(tmp_path, content, "d.txt"), lines=True)
    with pytest.raises(UsageError, match=r"test_share = 0 holds nothing back: raise it"):
        text("test", path=str(tmp_path / "a.txt"), lines=True, test_share=0)


def test_a_csv_of_points_keeps_its_labels(tmp_path: Path) -> None:
    from gentk_datasets.points import moons

    data = moons("test")
    batch = data.batch(range(20))
    for suffix in (".csv", ".npz"):
        modality("points").save(batch, data.spec, tmp_path / f"x{suffix}")
        found = modality("points").read_examples(tmp_path / f"x{suffix}", data.spec)
        assert np.array_equal(found["cond_label"], batch["label"].numpy()) and np.array_equal(found["x"], batch["x"].numpy())
    (tmp_path / "x.csv").write_text("x0,x1\n1,inf\n")
    with pytest.raises(UsageError, match="line 2, column 'x1' is no number"):
        modality("points").read_examples(tmp_path / "x.csv", data.spec)
    np.savez(tmp_path / "x.npz", x=np.array([[1.0, np.inf]]))
    with pytest.raises(UsageError, match="infinite"):
        modality("points").read_examples(tmp_path / "x.npz", data.spec)


@pytest.mark.parametrize(("options", "places"), [({}, [1, 3]), ({"log": True}, [None, None]), ({"difference": 1}, [None, None])])
def test_channels_know_their_decimals(tmp_path: Path, options: dict[str, object], places: list[int | None]) -> None:
    columns = series(path=written(tmp_path, LOAD), **options).spec.leaves["x"].columns  # type: ignore[arg-type]
    assert [column.decimals for column in columns] == places


def test_steps_that_nobody_numbered_have_no_dates(tmp_path: Path) -> None:
    data = series(path=written(tmp_path, LOAD))
    batch = {**data.batch([0]), "time": torch.tensor([-1])}
    modality("series").save(batch, data.spec, tmp_path / "y.csv")
    assert (tmp_path / "y.csv").read_text().splitlines()[:2] == ["time,load,temp", "0,100.5,100000000"]
    modality("series").save(batch, data.spec, tmp_path / "y.png")
