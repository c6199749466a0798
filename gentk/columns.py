"""Columns of a table: what a cell says as a number and back, and which numbers a column can hold.

A row is a float64 vector: numbers and whole numbers as they are, a category as the place of its state, a date as days since 1970; what is
missing is NaN. `Column` in `gentk.protocols` says which is which.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import dates
from .errors import did_you_mean
from .protocols import Column, Leaf

if TYPE_CHECKING:
    from torch import Tensor


# ---------------------------------------------------------------- numbers in cells
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "#n/a", "<na>"})
"""How files say that a cell is missing, in small letters."""
_POINT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = {  # marks between groups of three digits, by the mark of the decimals
    ".": re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII),
    ",": re.compile(r"[+-]?\d{1,3}([.\u00a0\u202f ]\d{3})+(,\d*)?", re.ASCII),
}


def missing(cell: str) -> bool:
    """Whether a cell says that its value is missing."""
    return len(cell) < 5 and cell.lower() in MISSING


def number(cell: str, decimal: str = ".") -> float | None:
    """The number of a cell whose decimals stand behind `decimal`; None where it is none."""
    if (_POINT if decimal == "." else _COMMA).fullmatch(cell):
        return float(cell.replace(",", "."))
    if _THOUSANDS[decimal].fullmatch(cell):
        return float(re.sub(r"[.\u00a0\u202f ]", "", cell).replace(",", ".") if decimal == "," else cell.replace(",", ""))
    return None


def decimal_of(cells: list[str], separator: str) -> str | None:
    """The mark of decimals with which all cells are numbers: a point, or a comma; None where some are no numbers.

    What can be read both ways (1,234) has thousands where commas separate cells, decimals elsewhere.
    """
    fits = [mark for mark in (".,", ",.")[separator != ","] if all(number(cell, mark) is not None for cell in cells)]
    plain = [mark for mark in fits if mark == "." and all(_POINT.fullmatch(cell) for cell in cells)]
    return plain[0] if plain else fits[0] if fits else None


# ---------------------------------------------------------------- cells
def value_of(cell: str, column: Column, decimal: str = ".") -> float:
    """The number that a cell stands for; NaN where it is missing. Raises ValueError, in words that follow the column's name."""
    if column.kind == "category":
        if cell in column.names:
            return float(column.names.index(cell))
        if missing(cell):
            return math.nan
        whole = number(cell)  # pandas writes 1.0 for the state 1 where other cells are missing
        if whole is not None and whole.is_integer() and (name := str(int(whole))) in column.names:
            return float(column.names.index(name))
        raise ValueError(f"has no state {cell[:30]!r}{did_you_mean(cell, column.names)}")
    if missing(cell):
        return math.nan
    if column.kind == "date":
        return dates.days(cell, column.format)
    found = number(cell, decimal)
    if found is None:
        raise ValueError(f"is no number: {cell[:30]!r}")
    if not math.isfinite(found):
        raise ValueError(f"is beyond what float64 holds: {cell[:30]!r}")
    return found


def cell_of(value: float, column: Column) -> str:
    """How a file says a number of this column: what `value_of` reads back."""
    if math.isnan(value):
        return ""
    if column.kind == "category":
        return column.names[int(value)]
    if column.kind == "date":
        return dates.date_of(value, column.format)
    return str(int(value)) if column.kind == "integer" else repr(value)


# ---------------------------------------------------------------- what a column can hold
def resolution(column: Column) -> float:
    """The distance between two neighbours that the column can hold; 0 for numbers."""
    if column.kind == "number":
        return 0.0
    if column.kind == "date":
        return dates.resolution(column.format)
    return 1.0


def valid(x: Tensor, columns: Sequence[Column]) -> Tensor:
    """Numbers (…, V) as the columns can hold them: rounded to whole ones or their decimals, categories within their states. NaN stays."""
    import torch

    out = x.clone()
    for j, column in enumerate(columns):
        if column.kind == "category":
            out[..., j] = x[..., j].round().clamp(0, len(column.names) - 1)
        elif step := resolution(column):
            out[..., j] = torch.round(x[..., j] / step) * step
        elif column.decimals is not None:  # a quotient of two whole numbers is the float64 nearest to the decimal fraction
            unit = 10.0**column.decimals
            rounded = torch.round(x[..., j].double() * unit) / unit
            out[..., j] = torch.where(rounded.isfinite(), rounded, x[..., j].double()).to(x.dtype)
    return out


def named(leaf: Leaf) -> tuple[Column, ...]:
    """The columns of a leaf's last dimension; where it names none, x0, x1 … of numbers, or of its classes."""
    if leaf.columns:
        return leaf.columns
    states = leaf.names or tuple(map(str, range(leaf.classes)))
    return tuple(Column(name=f"x{j}", kind="category" if leaf.classes else "number", names=states) for j in range(leaf.shape[-1]))
