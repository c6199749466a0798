"""A row per example: what points and tables are as a file, columns found by their names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..columns import cell_of, decimal_of, missing, named, resolution, value_of
from ..dates import MICROSECONDS
from ..errors import UsageError
from ..files import replacing
from ..protocols import Column, DataSpec, Leaf
from .base import leaf
from .cells import Cells, read_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..protocols import Batch

TEXT = (".csv", ".tsv")
"""What rows are written as; they are read from any text."""


# ---------------------------------------------------------------- writing
def save_rows(batch: Batch, spec: DataSpec, path: Path) -> None:
    """.csv or .tsv: a header, and a row for each example with its conditions behind it; what is missing is empty. .parquet: typed."""
    import csv

    heads, columns = cells_of(batch, spec)
    if path.suffix.lower() == ".parquet":
        _save_parquet(heads, batch, spec, path)
        return
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        writer.writerow(heads)
        writer.writerows(zip(*columns, strict=True))


def cells_of(batch: Batch, spec: DataSpec) -> tuple[list[str], list[list[str]]]:
    """The header, and each column's cells."""
    of = spec.leaves["x"]
    x = leaf(batch, double=of.double)
    heads, cells = [], []
    for j, column in enumerate(named(of)):
        heads.append(column.name)
        cells.append([cell_of(value, column) for value in x[:, j].tolist()] if of.columns or of.classes else plain(x[:, j]))
    for key in scalars(spec):
        if key in batch:
            head, told = condition_cells(batch, spec, key)
            heads.append(head)
            cells.append(told)
    return heads, cells


def plain(x: NDArray[Any]) -> list[str]:
    """Numbers to their last bit, and no longer than that takes; nothing where one is missing."""
    short, exact = (9, 9) if x.dtype.itemsize == 4 else (15, 17)
    told = (f"{value:.{short}g}" if float(f"{value:.{short}g}") == value else f"{value:.{exact}g}" for value in x.tolist())
    return ["" if text == "nan" else text for text in told]


def scalars(spec: DataSpec) -> list[str]:
    """The conditions that are one number or class for each example."""
    return [key for key, about in spec.conditions.items() if about.shape == ()]


def condition_cells(batch: Batch, spec: DataSpec, key: str) -> tuple[str, list[str]]:
    """How the condition `key` stands in a table: its name, and a cell for each example."""
    about, values = spec.conditions[key], leaf(batch, key).reshape(-1).tolist()
    if not about.columns:
        return key, [f"{value:.9g}" for value in values]
    column = about.columns[0]
    return column.name, [column.names[int(value)] if value < about.classes else "" for value in values]


def _save_parquet(heads: Sequence[str], batch: Batch, spec: DataSpec, path: Path) -> None:
    """The same columns, with numbers as numbers and dates as dates."""
    try:
        import polars
    except ImportError:
        raise UsageError(f"{path}: .parquet needs polars: uv pip install 'gentk-core[parquet]'") from None
    kinds = {"category": polars.String, "date": polars.Int64, "integer": polars.Int64, "number": polars.Float64}
    x, made = leaf(batch, double=True), {}
    for j, column in enumerate(named(spec.leaves["x"])):
        given = x[:, j] * MICROSECONDS if column.kind == "date" else x[:, j]
        cells = [None if value != value else _cell(value, column) for value in given.tolist()]
        series = polars.Series(cells, dtype=kinds[column.kind])
        if column.kind == "date":
            series = series.cast(polars.Datetime("us"))
            series = series.cast(polars.Date) if resolution(column) == 1 else series
        made[column.name] = series
    for key, head in zip([key for key in scalars(spec) if key in batch], heads[x.shape[1] :], strict=True):
        made[head] = polars.Series(condition_cells(batch, spec, key)[1])
    with replacing(path) as temporary:
        polars.DataFrame(made).write_parquet(temporary)


def _cell(value: float, column: Column) -> str | float:
    """A number as a typed column holds it."""
    return column.names[int(value)] if column.kind == "category" else value if column.kind == "number" else round(value)


# ---------------------------------------------------------------- reading
def read_rows(path: Path, spec: DataSpec, *, gaps: bool = False, partial: bool = False) -> dict[str, NDArray[Any]]:
    """x (n, V), float64 where the spec has doubles, and, as `cond_NAME`, the conditions that the file tells. Columns stand in any order;
    other ones are named on stderr.

    `gaps`: a cell may be empty, which is NaN; `partial`: and a column may be left out. Raises UsageError, naming line and column.
    """
    import numpy as np

    cells = read_cells(path)
    columns, found = named(spec.leaves["x"]), list(cells.rows())
    lines, rows = [line for line, _ in found], [row for _, row in found]
    if not rows:
        raise UsageError(f"{path} has a header and no rows")
    absent = [column.name for column in columns if column.name not in cells.head]
    if absent and (not partial or len(absent) == len(columns)):
        wanted = ", ".join(column.name for column in columns[:20]) + (" …" if len(columns) > 20 else "")
        raise UsageError(f"{path} has no column '{absent[0]}'; wanted is a table with a header and the columns {wanted}")
    x = np.full((len(rows), len(columns)), np.nan)
    for j, column in enumerate(columns):
        if column.name not in absent:
            place = cells.head.index(column.name)
            x[:, j] = _values(cells, column, [row[place] for row in rows], lines, gaps=gaps or column.missing)
    given = {f"cond_{key}": condition(cells, spec.conditions[key], key, rows, lines) for key in scalars(spec)}
    told = {key: values for key, values in given.items() if values is not None}
    _unused(cells, spec, columns)
    return {"x": x if spec.leaves["x"].double else x.astype(np.float32), **told}


def _values(cells: Cells, column: Column, given: list[str], lines: list[int], *, gaps: bool) -> list[float]:
    numeric = column.kind not in ("category", "date")
    decimal = decimal_of([cell for cell in set(given) if not missing(cell)], cells.separator) if numeric else "."
    values = []
    for line, cell in zip(lines, given, strict=True):
        where = f"{cells.path}: line {line}, column '{column.name}'"
        try:
            value = value_of(cell, column, decimal or ".")
        except ValueError as error:
            raise UsageError(f"{where} {error}") from None
        if value != value and not gaps:
            raise UsageError(f"{where} is empty: numbers are missing, and gentk impute fills them in")
        values.append(value)
    return values


def condition(cells: Cells, about: Leaf, key: str, rows: list[list[str]], lines: list[int]) -> NDArray[Any] | None:
    """The values of a condition, by the name of its column or its own; None where the file does not tell them, or not for all."""
    import numpy as np

    head = next((name for name in (about.columns[0].name if about.columns else key, key) if name in cells.head), None)
    if head is None:
        return None
    given = [row[cells.head.index(head)] for row in rows]
    if all(missing(cell) and cell not in about.names for cell in given):
        return None
    names = about.names or tuple(map(str, range(about.classes)))
    column = Column(name=head, kind="category", names=names) if about.classes else Column(name=head)
    values = []
    for line, cell in zip(lines, given, strict=True):
        try:
            value = value_of(cell, column)
        except ValueError as error:
            value = _numbered(cell, about, f"{cells.path}: line {line}, column '{head}' {error}")
        if value != value:
            where = f"{cells.path}: line {line}, column '{head}'"
            raise UsageError(f"{where} is empty, and other rows are not: leave out the column, or fill it")
        values.append(value)
    return np.array(values, np.int64 if about.classes else np.float64)


def _numbered(cell: str, about: Leaf, complaint: str) -> float:
    """A class that is told by its number, though it has a name. Raises UsageError."""
    if cell.isdecimal() and int(cell) < about.classes:
        return float(cell)
    raise UsageError(complaint)


def _unused(cells: Cells, spec: DataSpec, columns: Sequence[Column]) -> None:
    known = {column.name for column in columns}
    for key in spec.conditions:
        known |= {key, *(column.name for column in spec.conditions[key].columns)}
    if unused := [name for name in cells.head if name not in known]:
        print(f"{cells.path}: not looked at: {', '.join(unused[:8])}{' …' if len(unused) > 8 else ''}", file=sys.stderr)
