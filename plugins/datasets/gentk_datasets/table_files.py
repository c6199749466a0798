"""Tables as people have them: which columns are numbers, whole numbers, dates or categories, told from the cells themselves."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.columns import value_of
from gentk.dates import format_of
from gentk.errors import UsageError
from gentk.modalities.cells import Cells, decimal_of, missing, read_cells
from gentk.protocols import Column, DataSpec, Leaf

from . import options
from .arrays import shares
from .decimals import of_texts
from .splits import checked, shuffled_rows

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

ROWS = 50_000  # read together
KEPT = 200_000  # different cells of a column that are remembered
LONGEST = 200  # characters of a state's name
_WHOLE = re.compile(r"[+-]?(0|[1-9]\d{0,14})", re.ASCII)  # 007 is no number, and 2⁵³ is where float64 begins to leave some out


class Rows:
    """Leaf `x` (V,) float64 with a `Column` each; the condition `label` where there are classes.

    `x` (N, V), `classes` (N,) whose names are those of the column `label`; both are cut to the split: `held` are the rows of `test`, where
    the data say which; else `share` of them are drawn.
    """

    def __init__(
        self,
        x: NDArray[np.float64],
        columns: tuple[Column, ...],
        classes: NDArray[np.int64] | None,
        label: Column | None,
        split: str,
        share: float,
        held: NDArray[np.int64] | None = None,
    ) -> None:
        if held is None:
            part, training = shuffled_rows(len(x), share, split), shuffled_rows(len(x), share, "train")
        else:
            training = np.setdiff1d(np.arange(len(x)), held)
            part = held if split == "test" else training
        self.x, self.classes = torch.from_numpy(x[part]), None if classes is None else torch.from_numpy(classes[part])
        labelled = label is not None and classes is not None
        self.spec = DataSpec(
            modality="table",
            leaves={"x": Leaf(shape=(len(columns),), double=True, columns=columns)},
            conditions={"label": Leaf(classes=len(label.names), names=label.names, columns=(label,))} if label and labelled else {},
            frequencies={"label": shares(classes[training], len(label.names))} if label and classes is not None else {},
        )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`: x (n, V) float64, NaN where it is missing, and label (n,) int64. Nothing is drawn from `noise`."""
        chosen = torch.as_tensor(np.asarray(indices, np.int64))
        batch = {"x": self.x[chosen]}
        return batch if self.classes is None else {**batch, "label": self.classes[chosen]}


class TableFile(Rows):
    """The rows of a file, whose columns are what their cells say."""

    def __init__(self, chosen: options.OwnTable, split: str) -> None:
        checked(split, "table")
        self.path = Path(chosen.path).expanduser()
        cells = read_cells(self.path, encoding=chosen.encoding, separator=chosen.separator)
        x, columns, classes, label = typed(cells, chosen)
        super().__init__(x, columns, classes, label, split, chosen.test_share)
        if not len(self):
            raise UsageError(f"table {self.path}: no row is in the split '{split}' ({len(x)} rows; raise dataset.options.test_share)")
        if split == "train":
            print(f"data set table: {len(x):,} rows of {told_columns(columns, label)}", file=sys.stderr)


def table(
    split: str = "train",
    *,
    path: str,
    label: str = "",
    columns: str = "",
    drop: str = "",
    states: int = 1000,
    encoding: str = "",
    separator: str = "",
    test_share: float = 0.2,
) -> TableFile:
    """The rows in the file `path`. Raises UsageError, with the line where there is one, for what is no table."""
    given = {"path": path, "label": label, "columns": columns, "drop": drop, "states": states}
    chosen = options.OwnTable.model_validate({**given, "encoding": encoding, "separator": separator, "test_share": test_share})
    return TableFile(chosen, split)


def typed(
    cells: Cells, chosen: options.OwnTable
) -> tuple[NDArray[np.float64], tuple[Column, ...], NDArray[np.int64] | None, Column | None]:
    """(rows (N, V), their columns, the class of each, the column of these) of a table whose columns are what their cells say.

    Raises UsageError for what is no table.
    """
    seen = _looked_at(cells, _wanted(cells, chosen))
    kinds = {name: _kind(cells, one, chosen, label=name == chosen.label) for name, one in seen.items()}
    label = kinds.pop(chosen.label) if chosen.label else None
    if not kinds:
        raise UsageError(f"table {cells.path}: no column is left beside the label")
    x, classes = _values(cells, kinds, label, seen)
    return x, tuple(kinds.values()), classes, label


# ---------------------------------------------------------------- which columns
def _wanted(cells: Cells, chosen: options.OwnTable) -> list[str]:
    """The columns to read, in the order of the file. Raises UsageError for a name that it does not have."""
    chosen_names, dropped = ([name.strip() for name in text.split(",") if name.strip()] for text in (chosen.columns, chosen.drop))
    for name in (*chosen_names, *dropped, *([chosen.label] if chosen.label else [])):
        cells.place(name)
    named = [name for name in cells.head if name]
    if len(named) < len(cells.head) - 1 or (len(named) < len(cells.head) and cells.head[0]):
        raise UsageError(f"{cells.path}: column {cells.head.index('') + 1} has no name in the header")
    names = [name for name in (chosen_names or named) if name not in dropped]
    return list(dict.fromkeys([name for name in cells.head if name in {*names, chosen.label}]))


# ---------------------------------------------------------------- what they hold
@dataclass
class Seen:
    """What a column's cells were like."""

    name: str
    texts: dict[str, int] = field(default_factory=dict)  # each different cell that is not missing, and the line where it stood first
    many: bool = False  # more than are remembered
    missing: int = 0  # the first line where it is empty; 0: nowhere


def _chunks(cells: Cells) -> Iterator[tuple[list[int], list[tuple[str, ...]]]]:
    """(lines, columns) of so many rows at a time."""
    rows = cells.rows()
    while chunk := list(islice(rows, ROWS)):
        yield [line for line, _ in chunk], list(zip(*(row for _, row in chunk), strict=True))


def _looked_at(cells: Cells, names: Sequence[str]) -> dict[str, Seen]:
    """Every cell once. Raises UsageError for a file without rows."""
    found = {name: Seen(name) for name in names}
    rows = 0
    for lines, columns in _chunks(cells):
        rows += len(lines)
        for name, seen in found.items():
            given = columns[cells.head.index(name)]
            if seen.many and seen.missing:
                continue
            for line, cell in zip(lines, given, strict=True):
                if cell not in seen.texts:
                    if missing(cell):
                        seen.missing = seen.missing or line
                    elif len(seen.texts) < KEPT:
                        seen.texts[cell] = line
                    else:
                        seen.many = True
    if rows < 2:
        raise UsageError(f"{cells.path} has a header and {rows} row{'s' * (rows != 1)}: wanted are two or more")
    return found


def _kind(cells: Cells, seen: Seen, chosen: options.OwnTable, *, label: bool) -> Column:
    """What a column is. Raises UsageError for one of texts that are nearly all different, and for one that is always empty."""
    texts = list(seen.texts)
    where = f"{cells.path}: column '{seen.name}'"
    if not texts:
        raise UsageError(f"{where} is empty in every row: leave it out with dataset.options.drop={seen.name}")
    if label and seen.missing:
        raise UsageError(f"{where} is the label, and line {seen.missing} has none")
    gaps = seen.missing > 0
    whole = all(_WHOLE.fullmatch(text) for text in texts)
    if whole and (label or len(texts) <= 2) and len(texts) <= chosen.states:
        return Column(name=seen.name, kind="category", names=tuple(sorted(texts, key=int)), missing=gaps)
    if not label and whole:
        return Column(name=seen.name, kind="integer", missing=gaps)
    if not label and (mark := decimal_of(texts, cells.separator)) and not any(_zeros(text) for text in texts):
        return Column(name=seen.name, kind="number", decimals=of_texts(texts, mark), missing=gaps)
    if not label and (format := format_of(texts)):
        return Column(name=seen.name, kind="date", format=format, missing=gaps)
    if seen.many or len(texts) > chosen.states:
        few = f"{'more than ' * seen.many}{len(texts):,} different texts, such as {texts[0][:30]!r}"
        odd = _odd(texts, seen, cells)
        remedy = f"leave it out with dataset.options.drop={seen.name}, or allow more dataset.options.states"
        raise UsageError(f"{where} has {few}{odd}: {remedy}")
    if long := [text for text in texts if len(text) > LONGEST]:
        raise UsageError(f"{where}, line {seen.texts[long[0]]}: a text of {len(long[0]):,} characters is no category: drop the column")
    return Column(name=seen.name, kind="category", names=tuple(sorted(texts)), missing=gaps)


def _zeros(text: str) -> bool:
    """Whether a cell has zeros in front that a number would lose: a postcode, an article's number."""
    return len(text) > 1 and text[0] == "0" and text.isdecimal()


def _odd(texts: Sequence[str], seen: Seen, cells: Cells) -> str:
    """Where a column of numbers has a cell that is none."""
    numbers = [text for text in texts if decimal_of([text], cells.separator)]
    others = [text for text in texts if not decimal_of([text], cells.separator)] if len(numbers) * 2 > len(texts) else []
    return f" (most are numbers, but line {seen.texts[others[0]]} has {others[0][:30]!r})" if others else ""


def _values(
    cells: Cells, kinds: dict[str, Column], label: Column | None, seen: dict[str, Seen]
) -> tuple[NDArray[np.float64], NDArray[np.int64] | None]:
    """All rows as numbers, and their classes."""
    decimals = {name: decimal_of(list(seen[name].texts), cells.separator) or "." for name in kinds}
    rows, classes = [], []
    for _, columns in _chunks(cells):
        part = np.empty((len(columns[0]), len(kinds)))
        for j, (name, column) in enumerate(kinds.items()):
            part[:, j] = _column(columns[cells.head.index(name)], column, decimals[name])
        rows.append(part)
        if label is not None:
            classes.append(_column(columns[cells.head.index(label.name)], label, ".").astype(np.int64))
    return np.concatenate(rows), np.concatenate(classes) if classes else None


def _column(cells: Sequence[str], column: Column, decimal: str) -> NDArray[np.float64]:
    """Cells as numbers; a cell that comes again costs a look into a table."""
    known: dict[str, float] = {}
    out = np.empty(len(cells))
    for i, cell in enumerate(cells):
        if cell not in known:
            try:
                known[cell] = value_of(cell, column, decimal)
            except ValueError as error:
                raise UsageError(f"column '{column.name}' {error}") from None
        out[i] = known[cell]
    return out


def told_columns(columns: Sequence[Column], label: Column | None) -> str:
    """Which columns were taken for what."""
    groups = {"number": "numbers", "integer": "whole numbers", "date": "dates", "category": "categories"}
    parts = []
    for kind, word in groups.items():
        named = [f"{c.name} ({len(c.names)})" if c.names else c.name for c in columns if c.kind == kind]
        if named:
            parts.append(f"{word} {', '.join(named[:6])}{' …' if len(named) > 6 else ''}")
    return "; ".join([*parts, *([f"label {label.name} ({len(label.names)})"] if label else [])])
