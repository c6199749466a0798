"""Tables as people have them: every column is what its cells say, and what is no table is refused with its line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gentk.columns import cell_of, valid
from gentk.errors import UsageError
from gentk.modalities import modality
from gentk.protocols import Column
from gentk_datasets.table_files import table

PEOPLE = """name,age,height,born,smokes,wage
Ann,31,1.70,1993-02-01,yes,"1,200.50"
Bob,,1.82,1990-11-30,no,900
Cid,45,1.65,1979-07-15,,"3,000.00"
Ann,28,1.71,1996-01-31,no,
"""


def written(folder: Path, content: str | bytes, name: str = "x.csv") -> str:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder / name)


def cells(path: str, **options: Any) -> list[list[float | None]]:
    data = table(path=path, test_share=0, **options)
    return [[None if math.isnan(v) else v for v in row] for row in data.batch(range(len(data)))["x"].tolist()]


def test_a_column_is_what_its_cells_say(tmp_path: Path) -> None:
    data = table(path=written(tmp_path, PEOPLE), test_share=0)
    told = {column.name: (column.kind, column.names, column.missing) for column in data.spec.leaves["x"].columns}
    assert told == {
        "name": ("category", ("Ann", "Bob", "Cid"), False),
        "age": ("integer", (), True),
        "height": ("number", (), False),
        "born": ("date", (), False),
        "smokes": ("category", ("no", "yes"), True),
        "wage": ("number", (), True),
    }
    first = data[0]["x"].tolist()
    assert first == [0, 31, 1.70, 8432, 1, 1200.5]  # 8,432 days from 1970 to February 1993
    assert torch.isnan(data[1]["x"][1]) and torch.isnan(data[3]["x"][5])


@pytest.mark.parametrize(
    "content",
    [
        "a;b\n1,5;x\n2,25;y\n",
        "a\tb\n1.5\tx\n2.25\ty\n",
        "a|b\n1.5|x\n2.25|y\n",
        "sep=;\na;b\n1,5;x\n2,25;y\n",
        "\ufeffa,b\r\n1.5,x\r\n2.25,y\r\n",
        '"a","b"\n"1,5","x"\n"2,25","y"\n',
        "\n\na,b\n1.5,x\n\n2.25,y",
        "a , b\n 1.5 , x \n2.25, y\n",
        "a,b\n1.5,x\n2.25,y\n".encode("utf-16"),
    ],
)
def test_separators_decimals_marks_and_blanks_are_as_people_have_them(tmp_path: Path, content: str | bytes) -> None:
    assert cells(written(tmp_path, content)) == [[1.5, 0], [2.25, 1]]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["01.02.2024", "13.02.2024"], [19754, 19766]),  # 13 is no month
        (["02/01/2024", "02/13/2024"], [19754, 19766]),
        (["2024-02-01 12:00", "2024-02-13 00:00"], [19754.5, 19766]),
        (["Feb 1, 2024", "Feb 13, 2024"], [19754, 19766]),
        (["2024-02-01T00:00:00Z", "2024-02-13T02:00:00+02:00"], [19754, 19766]),
        (["1,234", "12,345"], [1234, 12345]),  # where commas separate cells, they are marks of thousands
        (["007", "015"], [0, 1]),  # no numbers: the zeros would be lost
        (["NA", "3"], [None, 0]),
        (["1e3", "2.5E-1"], [1000, 0.25]),
        (["true", "false"], [1, 0]),
    ],
)
def test_dates_and_numbers_of_many_kinds(tmp_path: Path, column: list[str], expected: list[float | None]) -> None:
    text = "x,y\n" + "".join(f'"{cell}",{i}.5\n' for i, cell in enumerate(column))
    assert [row[0] for row in cells(written(tmp_path, text))] == expected


WRONG: dict[str, tuple[str | bytes, str, dict[str, Any]]] = {
    "nothing": ("", "is empty", {}),
    "blanks": ("  \n \n", "is empty", {}),
    "a header": ("a,b\n", "0 rows", {}),
    "one row": ("a,b\n1,2\n", "1 row", {}),
    "short": ("a,b\n1,2\n3\n", "line 3 has 1 cells, the header has 2", {}),
    "long": ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells", {}),
    "no header": ("1,2\n3,4\n", "wanted is a header", {}),
    "twice": ("a,a\n1,2\n3,4\n", "two columns are called 'a'", {}),
    "nameless": ("a,,c\n1,2,3\n4,5,6\n", "column 2 has no name", {}),
    "open quote": ('a,b\n"1,2\n3,4\n', "line 2: a quote", {}),
    "latin-1": ("a,b\nn\xe9,2\nx,3\n".encode("latin-1"), "line 2); it looks like latin-1: set dataset.options.encoding", {}),
    "cp1251": ("имя,b\nпривет,2\nмир,3\n".encode("cp1251"), "looks like cp1251", {}),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\x00", "no UTF-8", {}),
    "zeros": (b"a,b\n1,\x002\n", "zero bytes", {}),
    "empty column": ("a,b\n1,\n2,NA\n", "column 'b' is empty in every row", {}),
    "free text": ("id\n" + "".join(f"text {i}\n" for i in range(1200)), "1,200 different texts", {}),
    "one cell": ("a\n" + "".join(f"{i}.5\n" for i in range(1200)) + "oops\n", "line 1202 has 'oops'", {}),
    "novel": ("a,b\n" + "x" * 500 + ",1\ny,2\n", "a text of 500 characters", {}),
    "unlabelled": ("a,y\n1,x\n2,\n3,z\n", "is the label, and line 3 has none", {"label": "y"}),
    "no label": ("a,y\n1,x\n2,z\n", "no column 'species'", {"label": "species"}),
    "only a label": ("y\na\nb\n", "no column is left", {"label": "y"}),
    "no column": ("a,b\n1,2\n3,4\n", "no column 'c'; there is: a, b", {"columns": "a,c"}),
    "no drop": ("a,b\n1,2\n3,4\n", "no column 'c'", {"drop": "c"}),
    "encoding": ("a,b\n1,2\n3,4\n", "no encoding 'utf-9'", {"encoding": "utf-9"}),
    "parquet": (b"PAR1 and nothing else", "is no .parquet file", {}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content, said, options = WRONG[name]
    path = written(tmp_path, content, "x.parquet" if name == "parquet" else "x.csv")
    with pytest.raises(UsageError) as caught:
        table(path=path, **options)
    assert said in str(caught.value) and "\n" not in str(caught.value) and "x." in str(caught.value)


@pytest.mark.parametrize("missing", ["none.csv", "folder.csv"])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, missing: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match=r"no file|cannot read"):
        table(path=str(tmp_path / missing))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".npz", ".safetensors"])
def test_what_is_written_is_read_back_whole(tmp_path: Path, suffix: str) -> None:
    data = table(path=written(tmp_path, PEOPLE), label="name", test_share=0)
    batch, kind, out = data.batch(range(len(data))), modality("table"), tmp_path / f"y{suffix}"
    kind.save(batch, data.spec, out)
    found = kind.read_examples(out, data.spec, gaps=True)
    assert found["x"].dtype == np.float64 and np.array_equal(found["x"], batch["x"].numpy(), equal_nan=True)
    assert found["cond_label"].tolist() == batch["label"].tolist()
    if suffix in (".csv", ".tsv", ".parquet"):
        again = table(path=str(out), label="name", test_share=0)
        assert [column.kind for column in again.spec.leaves["x"].columns] == [column.kind for column in data.spec.leaves["x"].columns]


def test_a_csv_has_the_columns_of_its_data(tmp_path: Path) -> None:
    data = table(path=written(tmp_path, PEOPLE), test_share=0)
    modality("table").save(data.batch(range(4)), data.spec, tmp_path / "y.csv")
    assert (tmp_path / "y.csv").read_text().splitlines()[:3] == [
        "name,age,height,born,smokes,wage",
        "Ann,31,1.7,1993-02-01,yes,1200.5",
        "Bob,,1.82,1990-11-30,no,900.0",
    ]


def test_splits_share_no_row_and_leave_none_out(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n" + "".join(f"{i}.25,{i % 3}\n" for i in range(50)))
    train, test = (table(split, path=path) for split in ("train", "test"))
    assert (len(train), len(test)) == (40, 10)
    assert sorted([*train.x[:, 0].tolist(), *test.x[:, 0].tolist()]) == [i + 0.25 for i in range(50)]
    assert train.spec == test.spec


def test_columns_can_be_chosen_and_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, PEOPLE)
    assert [c.name for c in table(path=path, columns="age, born").spec.leaves["x"].columns] == ["age", "born"]
    assert [c.name for c in table(path=path, drop="name,wage").spec.leaves["x"].columns] == ["age", "height", "born", "smokes"]


@pytest.mark.parametrize(
    ("cells", "decimals"),
    [
        (["1.25", "3.5", "-2"], 2),
        (["0,5", "1,25"], 2),
        (["1e-3", "0.5"], None),
        (["0.123456789", "2.5"], None),
        (["1.234,50", "7,5"], 2),
        (["1,200", "7.5"], 1),  # a thousand and two hundred
    ],
)
def test_a_number_keeps_the_decimals_that_it_is_written_with(tmp_path: Path, cells: list[str], decimals: int | None) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b\n" + "".join(f"{cell};{i}\n" for i, cell in enumerate(cells * 4)))
    column = table(path=str(path)).spec.leaves["x"].columns[0]
    assert (column.kind, column.decimals) == ("number", decimals)
    drawn = valid(torch.tensor([[math.pi, 1], [math.nan, 1], [1e300, 1]], dtype=torch.float64), [column, Column(name="b")])[:, 0].tolist()
    assert cell_of(drawn[0], column) == repr(math.pi if decimals is None else round(math.pi, decimals))
    assert math.isnan(drawn[1]) and drawn[2] == 1e300
