"""Tables: a row (V,) per example and a column per variable: numbers, whole numbers, categories, dates, some perhaps missing.

x is float64 with a `Column` for each number (see `gentk.columns`), or, of discrete variables alone, int64.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..protocols import DataSpec, Leaf
from .arrays import read_x, save_arrays
from .base import ARRAYS, Modality
from .rows import TEXT, cells_of, read_rows, save_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..protocols import Batch

SHOWN = 5  # rows that a command prints


class Table(Modality):
    """Rows of named columns."""

    name = "table"
    suffixes = (*TEXT, ".parquet", *ARRAYS)
    default_suffix = ".csv"

    def check(self, spec: DataSpec) -> None:
        x = spec.leaves["x"]
        if len(x.shape) != 1 or not (x.classes or x.columns):
            here = f"this leaf x is {x.shape} with {x.classes} classes"
            raise UsageError(f"tables are rows of discrete variables, (v,) with classes, or of columns; {here}")
        if x.columns and len(x.columns) != x.shape[0]:
            raise UsageError(f"this leaf x has {x.shape[0]} numbers and {len(x.columns)} columns")

    def save(self, batch: Batch, spec: DataSpec, path: Path) -> None:
        """.csv, .tsv (cells as the data's own file has them), .parquet (typed), .npz and .safetensors (numbers)."""
        self.check_path(path)
        path = Path(path)
        if path.suffix.lower() in ARRAYS:
            save_arrays(batch, spec, path)
        else:
            save_rows(batch, spec, path)

    def read(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """.npz, .safetensors, and a table of text whose columns are x0, x1 … of whole numbers. Others need names: see `read_examples`."""
        path = Path(path)
        if path.suffix.lower() in ARRAYS:
            return read_x(path, shape).astype("float32")
        found: NDArray[np.float32] = read_rows(path, DataSpec(modality=self.name, leaves={"x": Leaf(shape=shape)}), gaps=True)["x"]
        if (found % 1 > 0).any():
            raise UsageError(f"{path}: wanted are whole numbers in the columns {', '.join(f'x{j}' for j in range(shape[0]))}")
        return found

    def read_examples(self, path: str | Path, spec: DataSpec, *, gaps: bool = False) -> dict[str, NDArray[Any]]:
        """As every modality; of a table of text by the names of the columns, in any order."""
        path = Path(path)
        if path.suffix.lower() in ARRAYS:
            return super().read_examples(path, spec, gaps=gaps)
        return read_rows(path, spec, gaps=gaps, partial=gaps)

    def words(self, batch: Batch, spec: DataSpec) -> str:
        """The first few rows, columns below each other."""
        heads, columns = cells_of({key: value[:SHOWN] for key, value in batch.items()}, spec)
        shown = [[head, *cells] for head, cells in zip(heads, columns, strict=True)]
        widths = [max(map(len, cells)) for cells in shown]
        rows = ["  ".join(cells[i].rjust(width) for cells, width in zip(shown, widths, strict=True)) for i in range(len(shown[0]))]
        return "\n".join(rows)
