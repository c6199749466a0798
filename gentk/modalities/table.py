"""Tables: (V,) int64, a row per example and a column per variable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .arrays import fits, read_x, save_arrays
from .base import ARRAYS, Modality, leaf
from .files import replacing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..protocols import Batch, DataSpec


class Table(Modality):
    """Discrete variables."""

    name = "table"
    suffixes = (".csv", *ARRAYS)
    default_suffix = ".csv"

    def check(self, spec: DataSpec) -> None:
        x = spec.leaves["x"]
        if len(x.shape) != 1 or not x.classes:
            raise UsageError(
                f"tables have rows of discrete variables, (v,) with classes; this leaf x is {x.shape} with {x.classes} classes"
            )

    def save(self, batch: Batch, spec: DataSpec, path: Path) -> None:
        """.csv (x0, x1 …: the number of each state, and conditions), .npz, .safetensors."""
        import csv

        self.check_path(path)
        path = Path(path)
        if path.suffix.lower() in ARRAYS:
            save_arrays(batch, spec, path)
            return
        x = leaf(batch)
        conditions = {key: leaf(batch, key) for key in spec.conditions if key in batch and leaf(batch, key).ndim == 1}
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*(f"x{i}" for i in range(x.shape[1])), *conditions])
            writer.writerows([*map(int, row), *(f"{values[i]:.9g}" for values in conditions.values())] for i, row in enumerate(x))

    def read(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """.csv with a header (the columns x0, x1 …) and whole numbers (an empty cell is NaN), .npz, .safetensors."""
        import csv
        from math import nan

        import numpy as np

        path = Path(path)
        if path.suffix.lower() in ARRAYS:
            return read_x(path, shape)
        if path.suffix.lower() != ".csv":
            raise UsageError(f"{path}: tables are read from .csv, {' or '.join(ARRAYS)}")
        columns = [f"x{i}" for i in range(shape[0])]
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [[int(row[c]) if row[c].strip() else nan for c in columns] for row in csv.DictReader(file)]
        except FileNotFoundError:
            raise UsageError(f"no file {path}") from None
        except (AttributeError, KeyError, ValueError, OSError) as error:
            raise UsageError(f"{path}: wanted is a table with a header and whole numbers in the columns {', '.join(columns)}") from error
        return fits(np.array(rows, np.float32).reshape(-1, *shape), path, shape)
