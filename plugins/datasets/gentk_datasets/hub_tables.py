"""Tables of the Hub: their cells are told as text, from which the columns are found out as those of a file are."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gentk.errors import UsageError
from gentk.modalities.cells import Cells

from . import options
from .hub import column_of, kind_of, told
from .hub_client import Found
from .table_files import Rows, told_columns, typed

CHUNK = 10_000  # rows read together
_SINGLE = ("class", "text", "value")


@dataclass(frozen=True)
class HubCells(Cells):
    """The cells of all splits, `train` first, as a table of text would have them."""

    features: Mapping[str, Any] = field(default_factory=dict)
    splits: tuple[Any, ...] = ()

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        names = {name: self.features[name].names for name in self.head if kind_of(self.features[name]) == "class"}
        at = 0
        for data in self.splits:
            plain = data.select_columns(list(self.head))
            for first in range(0, len(plain), CHUNK):
                part = plain[first : first + CHUNK]
                cells = [[cell(value, names.get(name)) for value in part[name]] for name in self.head]
                for row in zip(*cells, strict=True):
                    at += 1
                    yield at, list(row)


def cell(value: Any, names: Sequence[str] | None = None) -> str:
    """A value as a file would say it."""
    if value is None or (names and value < 0):
        return ""
    if names:
        return str(names[value]).strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value).strip()


class HubTable(Rows):
    """Rows of named columns; the condition `label` where `label` names one, or where there is one column of named classes."""

    def __init__(self, rows: Found, chosen: options.Hub, split: str) -> None:
        kinds = {name: kind_of(feature) for name, feature in rows.features.items()}
        for name in filter(None, (name.strip() for name in [*chosen.columns.split(","), *chosen.drop.split(","), chosen.label])):
            if kinds[column_of(rows, name)] not in _SINGLE:
                raise UsageError(f"data set {rows.place}: column '{name}' holds no single values; {told(rows)}")
        classes = [name for name, kind in kinds.items() if kind == "class"]
        label = chosen.label or (classes[0] if len(classes) == 1 else "") if chosen.labels else ""
        head = tuple(name for name, kind in kinds.items() if kind in _SINGLE)
        cells = HubCells(Path(str(rows.place)), head, features=rows.features, splits=tuple(rows.splits.values()))
        if not cells.head:
            raise UsageError(f"data set {rows.place}: no column holds single values; {told(rows)}")
        how = {"label": label, "columns": chosen.columns, "drop": chosen.drop, "states": chosen.states}
        x, columns, found, about = typed(cells, options.OwnTable.model_validate({"path": str(rows.place), **how}))
        n = len(rows.splits["train"])
        held = np.arange(n, len(x)) if "test" in rows.splits else None
        super().__init__(x, columns, found, about, split, chosen.test_share, held=held)
        if not len(self):
            raise UsageError(f"data set {rows.place}: no row is in the split '{split}' ({n} rows; raise dataset.options.test_share)")
        left = [name for name, kind in kinds.items() if kind not in _SINGLE]
        self.resolved = {"label": label, "labels": bool(label)}
        self.chose = f"{len(x):,} rows of {told_columns(columns, about)}" + (f"; left out {', '.join(left)}" if left else "")
