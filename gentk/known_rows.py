"""Drawing given some columns: rows of a table of which only a part is known, as a condition of what samples them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .conditions import UNOPENED
from .protocols import DataSpec

if TYPE_CHECKING:
    from torch import Tensor

    from .protocols import Condition, Noise


class Row:
    """Rows (n, V) float64 of a table, NaN where they are free. Given as a file with some of the columns, as {column: value}, or as numbers.

    What a sampler asks for, never what weights say: it is in no config.json.
    """

    required = False
    double = True
    help = "A table with some of the columns: they stay as they are, and the others are drawn given them."
    metavar = "FILE"

    def __init__(self, data: DataSpec) -> None:
        self.data = data

    @property
    def modality(self) -> str:
        return self.data.modality

    def parse(self, text: str) -> str:
        return text

    def read(self, file: str, kind: Any) -> dict[str, Any]:
        """x (m, V) as its modality, `kind`, reads it, and `cond_NAME` of what the file says of the conditions."""
        return dict(kind.read_examples(file, self.data, gaps=True))

    def prepare(self, value: Any, n: int) -> Tensor:
        """Given rows cycle. Raises ValueError for a name or a value that the table does not have."""
        import torch

        if isinstance(value, str):
            raise ValueError(UNOPENED.format(value))
        rows = torch.as_tensor(self._row(value) if isinstance(value, Mapping) else value, dtype=torch.float64)
        rows = rows[None] if rows.ndim == 1 else rows
        if tuple(rows.shape[1:]) != self.data.shape:
            raise ValueError(f"has rows of {tuple(rows.shape[1:])}, this table has {self.data.shape}")
        return rows[torch.arange(n) % len(rows)]

    def _row(self, cells: Mapping[str, Any]) -> Any:
        import numpy as np

        from .columns import named, value_of
        from .errors import did_you_mean

        columns = {column.name: column for column in named(self.data.leaves["x"])}
        row = dict.fromkeys(columns, np.nan)
        for name, cell in cells.items():
            if name not in columns:
                raise ValueError(f"there is no column '{name}'{did_you_mean(name, columns)}")
            try:
                row[name] = value_of(str(cell), columns[name])
            except ValueError as error:
                raise ValueError(f"column '{name}' {error}") from None
        return np.array([list(row.values())])

    def default(self, n: int, noise: Noise) -> None:
        return None

    def null(self, n: int) -> None:
        return None


def conditions(data: DataSpec) -> dict[str, Condition]:
    """`known` of a table; of anything else nothing."""
    leaf = data.leaves.get("x")
    return {"known": Row(data)} if leaf is not None and leaf.columns and len(leaf.shape) == 1 else {}
