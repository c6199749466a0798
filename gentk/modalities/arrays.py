"""The formats that every modality shares: .npz and .safetensors.

One array per leaf in the units of the DataSpec, conditions as `cond_NAME`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..files import read_arrays, replacing
from .base import ARRAYS, Modality, leaf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..protocols import Batch, DataSpec


def to_arrays(batch: Batch, spec: DataSpec) -> dict[str, NDArray[Any]]:
    """Leaves under their names, conditions as `cond_NAME`. Floats are float32 or, where the spec has doubles, float64; integers int64."""
    wide = {key for key, about in {**spec.leaves, **spec.conditions}.items() if about.double}
    return {f"cond_{key}" if key in spec.conditions else key: leaf(batch, key, double=key in wide) for key in batch}


def save_arrays(batch: Batch, spec: DataSpec, path: Path) -> None:
    """Writes .npz or .safetensors; the latter carries the DataSpec as JSON in its metadata, under `data`."""
    import numpy as np

    arrays = to_arrays(batch, spec)
    with replacing(path) as temporary:
        if path.suffix.lower() == ".npz":
            with temporary.open("wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its stub takes any keyword for allow_pickle
        else:
            from safetensors.numpy import save_file

            whole = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
            save_file(whole, temporary, metadata={"data": spec.model_dump_json()})


def read_x(path: str | Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array `x`, `shape` or (n, *shape), float32 or float64. Raises UsageError where it is missing or of another shape."""
    import numpy as np

    arrays = read_arrays(path)
    if "x" not in arrays:
        raise UsageError(f"{path} has no array 'x' (it has: {', '.join(sorted(arrays)) or 'nothing'})")
    x = arrays["x"]
    return fits(x if x.dtype == np.float64 else x.astype(np.float32), path, shape)


def fits(x: NDArray[Any], path: str | Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """`x`, if it is one example or several of `shape`. Raises UsageError."""
    if shape not in (x.shape, x.shape[1:]):
        raise UsageError(f"{path} holds {x.shape}, wanted is {shape}, or several of these")
    return x


class ArraysOnly(Modality):
    """Examples that nothing installed can picture, whatever their name: saved and read as arrays."""

    suffixes = ARRAYS

    def __init__(self, name: str) -> None:
        self.name = name

    def check(self, spec: DataSpec) -> None:
        """Anything goes."""

    def save(self, batch: Batch, spec: DataSpec, path: Path) -> None:
        self.check_path(path)
        save_arrays(batch, spec, Path(path))

    def read(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        return read_x(path, shape).astype("float32")
