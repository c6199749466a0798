"""A row per step: what series are as a file, and which of its columns are channels."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..columns import decimal_of, missing, number
from ..dates import time_of
from ..errors import UsageError
from ..files import read_arrays, replacing
from .base import ARRAYS, leaf
from .cells import Cells, read_cells
from .rows import condition, condition_cells, plain, scalars

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..protocols import Batch, DataSpec

CALENDAR = {"", "time", "date", "month", "year", "day", "index", "timestamp", "datetime", "unnamed: 0"}
"""Headers of a first column that counts or names the steps: it is no channel even where it holds numbers."""

INFINITE = ("inf", "infinity")


@dataclass(frozen=True)
class Measured:
    """What a file holds of series."""

    series: list[NDArray[np.float64]]  # (its steps, channels) each
    names: tuple[str, ...] = ()  # of the channels
    clock: str = ""  # the name of the column that says when; its cells
    times: list[str] = field(default_factory=list)
    conditions: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # (n,) each


def counted(batch: Batch, *, double: bool = False) -> list[NDArray[Any]]:
    """Each series without its padding, (length, D)."""
    x = leaf(batch, double=double)
    if "length" not in batch:
        return list(x)
    return [one[: int(length)] for one, length in zip(x, leaf(batch, "length").reshape(-1), strict=True)]


def read_series(path: str | Path, *, gaps: bool = False, columns: Sequence[str] = ()) -> list[NDArray[np.float32]]:
    """The series in a file, each (its steps, channels) float32, of any length: see `measured`."""
    import numpy as np

    return [one.astype(np.float32) for one in measured(path, gaps=gaps, columns=columns).series]


def measured(
    path: str | Path,
    *,
    gaps: bool = False,
    columns: Sequence[str] = (),
    spec: DataSpec | None = None,
    encoding: str = "",
    separator: str = "",
) -> Measured:
    """The series in a file, of any length, with the digits that the file has.

    A table has a header and a row per step. A first column of dates or of anything else that is no number is left out, every other
    column is a channel, or those called `columns`, or by the names of `spec`. Tables that gentk wrote say by the columns `series`, `time`
    and x0, x1 … what is what; another column beside these is named on stderr. `gaps`: an empty cell is NaN. Raises UsageError, in one line,
    for cells that are no numbers.
    """
    import numpy as np

    path = Path(path)
    if path.suffix.lower() in ARRAYS:
        found = Measured(_arrays(path))
    elif path.suffix.lower() in (".csv", ".tsv", ".txt", ".parquet"):
        found = _table(read_cells(path, encoding=encoding, separator=separator), columns, spec)
    else:
        raise UsageError(f"{path}: series are read from .csv, {' or '.join(ARRAYS)}")
    if not found.series or not all(len(one) for one in found.series):
        raise UsageError(f"{path} holds no step of a series")
    for one in found.series:
        wrong = np.isinf(one) if gaps else ~np.isfinite(one)
        if wrong.any():
            row, channel = (int(i[0]) for i in np.nonzero(wrong))
            raise UsageError(f"{path}: step {row} of channel {channel} is {one[row, channel] if np.isinf(one[row, channel]) else 'empty'}")
    return found


def last_steps(path: str | Path, found: Sequence[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    """The last steps of each, (n, *shape). Raises UsageError."""
    import numpy as np

    steps, channels = shape
    for one in found:
        if one.shape[1] != channels or len(one) < steps:
            raise UsageError(f"{path} holds {_many(*one.shape)}, wanted are {_many(steps, channels)}")
    return np.stack([one[len(one) - steps :] for one in found])


def _many(steps: int, channels: int) -> str:
    return f"{steps} step{'s' * (steps != 1)} of {channels} channel{'s' * (channels != 1)}"


# ---------------------------------------------------------------- writing
def save_steps(batch: Batch, spec: DataSpec, path: Path) -> None:
    """.csv or .tsv: a row per step, with the columns series (of several), time, the channels, conditions."""
    import csv

    of = spec.leaves["x"]
    found = counted(batch, double=of.double)
    names = [column.name for column in of.columns] or [f"x{i}" for i in range(of.shape[-1])]
    conditions = [condition_cells(batch, spec, key) for key in scalars(spec) if key in batch]
    several = ["series"] if len(found) > 1 else []
    starts = leaf(batch, "time").reshape(-1).tolist() if "time" in batch else [0] * len(found)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        clock = of.clock if min(starts, default=0) >= 0 else None
        writer.writerow([*several, clock.name if clock else "time", *names, *(head for head, _ in conditions)])
        for i, one in enumerate(found):
            about = [cells[i] for _, cells in conditions]
            for t, row in enumerate(one):
                time = time_of(clock, starts[i] + t) if clock else t
                writer.writerow([*([i] if several else []), time, *plain(row), *about])


# ---------------------------------------------------------------- reading
def _arrays(path: Path) -> list[NDArray[np.float64]]:
    import numpy as np

    arrays = read_arrays(path)
    if "x" not in arrays or arrays["x"].ndim not in (2, 3):
        raise UsageError(f"{path} holds no array 'x' of (steps, channels), or of several series")
    x = np.asarray(arrays["x"], np.float64)
    x = x if x.ndim == 3 else x[None]
    lengths = arrays.get("length", np.full(len(x), x.shape[1])).reshape(-1)
    if len(lengths) != len(x) or (lengths < 0).any() or (lengths > x.shape[1]).any():
        raise UsageError(f"{path}: 'length' must say for each of the {len(x)} series how many of its {x.shape[1]} steps count")
    return [one[: int(length)] for one, length in zip(x, lengths, strict=True)]


def _table(cells: Cells, columns: Sequence[str], spec: DataSpec | None) -> Measured:
    """The series of a table of text, with its column of times where there is one."""
    import numpy as np

    found = list(cells.rows())
    lines, rows = [line for line, _ in found], [row for _, row in found]
    chosen, clock = _channels(cells, rows, columns, spec)
    values = np.array([_numbers(cells, j, [row[j] for row in rows], lines) for j in chosen], np.float64).T.reshape(len(rows), len(chosen))
    names = tuple(cells.head[j] for j in chosen)
    name, times = ("", []) if clock is None else (cells.head[clock], [row[clock] for row in rows])
    about = _conditions(cells, rows, lines, spec) if spec else {}
    if "series" not in cells.head or "series" in names or not rows:
        return Measured([values], names, name, times, {key: of[:1] for key, of in about.items()})
    owners = [row[cells.place("series")] for row in rows]
    parts = [np.array([owner == one for owner in owners]) for one in dict.fromkeys(owners)]
    firsts = {key: np.array([of[part][0] for part in parts]) for key, of in about.items()}
    return Measured([values[part] for part in parts], names, conditions=firsts)


def _channels(cells: Cells, rows: list[list[str]], columns: Sequence[str], spec: DataSpec | None) -> tuple[list[int], int | None]:
    """Which columns are channels, and which says when."""
    head = [name.lower() for name in cells.head]
    dated = bool(head) and (head[0] in CALENDAR or (bool(rows) and not any(_numeric(row[0]) for row in rows)))
    clock = head.index("time") if "time" in head else 0 if dated else None
    if spec and (kept := spec.leaves["x"].clock) and kept.name in cells.head:
        clock = cells.head.index(kept.name)
    if columns:
        return [cells.place(name) for name in columns], clock
    wanted = [column.name for column in spec.leaves["x"].columns] if spec else []
    if wanted and all(name in cells.head for name in wanted):
        return [cells.head.index(name) for name in wanted], clock
    ours = {"series", "time", *(scalars(spec) if spec else ())}
    own = [j for j, name in enumerate(cells.head) if re.fullmatch(r"x\d+", name)]
    if own and [cells.head[j] for j in own] == [f"x{i}" for i in range(len(own))]:
        beside = [name for j, name in enumerate(cells.head) if j not in own and j != clock and name not in ours]
        if beside:
            told = f"channels are {cells.head[own[0]]} to {cells.head[own[-1]]}; not looked at: {', '.join(beside)}"
            print(f"{cells.path}: {told}", file=sys.stderr)
        return own, clock
    found = [j for j, name in enumerate(cells.head) if j != (0 if dated else None) and name != "series" and j != clock]
    if not found:
        raise UsageError(f"{cells.path} has no column of numbers")
    return found, clock


def _numeric(cell: str) -> bool:
    return number(cell) is not None or number(cell, ",") is not None or missing(cell) or cell.lower().lstrip("+-") in INFINITE


def _numbers(cells: Cells, place: int, given: list[str], lines: list[int]) -> list[float]:
    decimal = decimal_of([cell for cell in set(given) if not missing(cell)], cells.separator) or "."
    values = []
    for line, cell in zip(lines, given, strict=True):
        value = math.nan if missing(cell) else number(cell, decimal)
        if value is None and cell.lower().lstrip("+-") in INFINITE:
            value = math.inf
        if value is None:
            name = cells.head[place]
            raise UsageError(f"{cells.path}: line {line}, column '{name}': '{cell[:30]}' is no number")
        values.append(value)
    return values


def _conditions(cells: Cells, rows: list[list[str]], lines: list[int], spec: DataSpec) -> dict[str, NDArray[Any]]:
    """Of each row, what the file tells of the conditions."""
    told = {key: condition(cells, spec.conditions[key], key, rows, lines) for key in scalars(spec)}
    return {key: values for key, values in told.items() if values is not None}
