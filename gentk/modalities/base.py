"""What a modality must know. A plugin's own subclasses `Modality` and is announced by `gentk_modalities`."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

    from ..protocols import Batch, DataSpec

ARRAYS = (".npz", ".safetensors")
"""What every modality can be saved as: one array per leaf, in the units of the DataSpec."""


class Modality(ABC):
    """One kind of example. `suffixes` and `default_suffix` are known without torch, so that a wrong `--out` is refused before work."""

    name: str
    suffixes: ClassVar[tuple[str, ...]] = ARRAYS
    animated: ClassVar[tuple[str, ...]] = ()  # what `animate` can write
    default_suffix: ClassVar[str] = ".npz"
    folders: ClassVar[bool] = False  # whether `save` takes a folder, one file each

    def check_path(self, path: str | Path) -> None:
        """Raises UsageError if `save` cannot write `path`: an unknown suffix, no folder to put it in. For before the work: no torch."""
        path = Path(path)
        if self.is_folder(path) or path.suffix.lower() in self.suffixes:
            writable(path, folder=self.is_folder(path))
            return
        known = ", ".join(self.suffixes) + (", or a folder" if self.folders else "")
        if not path.suffix:
            raise UsageError(f"{path}: a file needs a suffix that says its format; there is: {known}")
        guess = did_you_mean(path.suffix, self.suffixes)
        guess = guess if "mean" in guess else ""
        raise UsageError(f"{path}: no way to save {self.name} as '{path.suffix}'{guess or '; there is: ' + known}")

    def is_folder(self, path: str | Path) -> bool:
        """Whether `path` asks for a folder with one file each: it has no suffix, or it is a folder already."""
        return self.folders and (not Path(path).suffix or Path(path).is_dir())

    @abstractmethod
    def check(self, spec: DataSpec) -> None:
        """Raises UsageError if examples like `spec` are not of this modality."""

    @abstractmethod
    def save(self, batch: Batch, spec: DataSpec, path: Path) -> None:
        """Writes the examples, format by suffix, atomically. `batch`: leaves and conditions, (n, …). Raises UsageError."""

    @abstractmethod
    def read(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The leaf `x` in a file: `shape`, or (n, *shape) where it holds several, in the units of the DataSpec. Raises UsageError."""

    def read_mask(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """What a file marks as known, above 0: as `read`, unless this kind of file has a better place for it."""
        return self.read(path, shape)

    def read_examples(self, path: str | Path, spec: DataSpec, *, gaps: bool = False) -> dict[str, NDArray[Any]]:
        """Leaves and, as `cond_NAME`, conditions in a file, (n, …) each: what `save` wrote. Where the file says no `length`, examples are
        full. `gaps`: missing numbers are NaN, else refused. Raises UsageError."""
        import numpy as np

        from ..files import read_arrays
        from .arrays import read_x

        double = spec.leaves["x"].double and Path(path).suffix.lower() in ARRAYS
        x = read_x(path, spec.shape) if double else self.read(path, spec.shape)
        x = finite(x if x.ndim > len(spec.shape) else x[None], path, gaps=gaps)
        found = read_arrays(path) if Path(path).suffix.lower() in ARRAYS else {}
        if "length" in spec.leaves and "length" not in found:
            found["length"] = np.full(len(x), spec.shape[0], np.int64)
        return {**found, "x": x}

    def picture(self, batch: Batch, spec: DataSpec, columns: int | None = None) -> PIL.Image.Image:
        """All the examples at a glance; `columns` in a row, where there are rows. Raises UsageError where there is no picture."""
        raise UsageError(f"there is no picture of {self.name}; save it as {' or '.join(self.suffixes)}")

    def words(self, batch: Batch, spec: DataSpec) -> str | None:
        """The first few examples as a terminal can show them; None where a person needs the file."""
        return None

    def frames(self, frames: Iterable[Batch], spec: DataSpec, columns: int | None = None) -> list[PIL.Image.Image]:
        """One picture per state, all of one size and, where they have axes, with one pair of limits."""
        return [self.picture(frame, spec, columns) for frame in frames]

    def animate(self, frames: Iterable[Batch], spec: DataSpec, path: Path, *, seconds: float = 4.0) -> None:
        """Writes a looping .gif or .webp of `seconds`, and holds its last frame. Raises UsageError."""
        from ..files import save_animation

        self.check_animation(path)
        save_animation(self.frames(frames, spec), Path(path), seconds)

    def check_animation(self, path: str | Path) -> None:
        """Raises UsageError, naming the known suffixes, if `animate` cannot write `path`."""
        if not self.animated:
            raise UsageError(f"{path}: there is no animation of {self.name}")
        if Path(path).suffix.lower() not in self.animated:
            raise UsageError(f"{path}: an animation is saved as {' or '.join(self.animated)}")
        writable(Path(path))


def writable(path: Path, *, folder: bool = False) -> None:
    """Raises UsageError where the folder of `path` is missing or not ours to write in, and for what can be no file of ours."""
    from ..files import destination

    place = path if folder and path.is_dir() else destination(path)
    if place is None:
        return
    parent = place.absolute().parent
    if not parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {parent}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write {path}: no permission to write in {parent}")


def finite(x: NDArray[Any], path: str | Path, *, gaps: bool = False) -> NDArray[Any]:
    """`x` (n, …), if it holds no infinity and, without `gaps`, no NaN. Raises UsageError, naming the first example that does."""
    import numpy as np

    if x.dtype.kind != "f":
        return x
    wrong = np.isinf(x) if gaps else ~np.isfinite(x)
    if wrong.any():
        row, *place = (int(i[0]) for i in np.nonzero(wrong))
        where = f"{path}: example {row}" + (f", number {', '.join(map(str, place))}," if place else "")
        if np.isinf(x[(row, *place)]):
            raise UsageError(f"{where} is infinite, and no model can take that")
        raise UsageError(f"{where} is empty: numbers are missing, and gentk impute fills them in")
    return x


def leaf(batch: Batch, name: str = "x", *, double: bool = False) -> NDArray[Any]:
    """One tensor of a batch as an array on the host; floats become float32, or float64. Raises UsageError where it is missing."""
    import torch

    if name not in batch:
        raise UsageError(f"these examples have no '{name}' (they have: {', '.join(sorted(batch))})")
    tensor = torch.as_tensor(batch[name]).detach().cpu()
    array: NDArray[Any] = (tensor.to(torch.float64 if double else torch.float32) if tensor.is_floating_point() else tensor).numpy()
    return array
