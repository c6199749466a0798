"""One .npz file as a data set. Reads what `gentk sample --out x.npz` writes. Pickles are refused."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.errors import UsageError
from gentk.modalities.pictures import Span
from gentk.protocols import DataSpec, Leaf
from gentk.text import note

from . import options
from .arrays import shares
from .augmenting import augmented, chosen_for
from .labels import classes_of
from .splits import checked, shuffled_rows

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

Arrays = Mapping[str, NDArray[Any]]


class Npz:
    """Every array but `label` and `cond_NAME` is a leaf; those are conditions. Rows are examples."""

    def __init__(self, chosen: options.Npz, split: str) -> None:
        path = Path(chosen.path).expanduser()
        arrays = _read(path)
        leaves = {key: value for key, value in arrays.items() if not _condition(key)}
        given = {_condition(key): value for key, value in arrays.items() if _condition(key)} if chosen.labels else {}
        classes = {key: classes_of(value, f"npz {path}: '{key}'") for key, value in given.items() if key == "label" or _classes(value)}
        given |= {key: about[0] for key, about in classes.items()}
        n = len(leaves["x"])
        part = shuffled_rows(n, chosen.test_share, checked(split, "npz"))
        self.augment = chosen_for(split, chosen.augment)
        if not len(part):
            why = f"{n} examples, dataset.options.test_share = {chosen.test_share}: raise it"
            raise UsageError(f"{path}: no example is in the split '{split}' ({why})")
        training = shuffled_rows(n, chosen.test_share, "train")
        modality = chosen.modality or _modality(leaves["x"], path)
        if modality != "image" and (of_images := [key for key in ("range", "augment") if getattr(chosen, key)]):
            raise UsageError(f"npz {path}: dataset.options.{of_images[0]} is of images, and these are {modality}")
        self._span: Span | None = None
        if modality == "image":
            leaves["x"] = _channels_first(leaves["x"], path)
            self._span = _span(leaves["x"], chosen.range, path)
        self.arrays = {key: value[part] for key, value in {**leaves, **given}.items()}
        for key, value in leaves.items():
            if value.dtype.kind == "i" and (modality, key) != ("image", "x") and (value < 0).any():
                raise UsageError(f"npz {path}: '{key}' holds negative integers; classes count from 0, other numbers are floats")
        specs = {key: Leaf() if (modality, key) == ("image", "x") else _leaf(value) for key, value in leaves.items()}
        if "length" in leaves:
            specs["length"] = _length(leaves, path)
        if modality == "image":
            levels = 256 if leaves["x"].dtype == np.uint8 and not chosen.range else 0
            specs["x"] = Leaf(shape=tuple(leaves["x"].shape[1:]), range=(-1, 1), levels=levels)
        if modality in ("points", "series") and leaves["x"].dtype.kind in "iub":
            raise UsageError(f"npz {path}: 'x' holds whole numbers ({leaves['x'].dtype}); {modality} are floats: save x.astype(float)")
        conditions = {key: Leaf(classes=about[2], names=about[1]) for key, about in classes.items()}
        conditions |= {key: _leaf(value) for key, value in given.items() if key not in classes}
        self.spec = DataSpec(
            modality=modality,
            leaves=specs,
            conditions=conditions,
            frequencies={k: shares(given[k][training], s.classes) for k, s in conditions.items() if s.classes and not s.shape},
        )

    def __len__(self) -> int:
        return len(self.arrays["x"])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`: floats as float32 or float64, as they are, integers as int64. Augmentation is drawn from `noise`."""
        chosen = np.asarray(indices, np.int64)
        batch = {}
        for key, array in self.arrays.items():
            rows = array[chosen]
            if key == "x" and self._span:
                low, high = self._span
                exact: NDArray[Any] = rows.astype(np.float32 if rows.dtype.itemsize <= 2 else np.float64)  # float32 holds 16 bits whole
                batch[key] = torch.from_numpy(((exact - low) / ((high - low) / 2) - 1).clip(-1, 1).astype(np.float32, copy=False))
            else:
                leaf = self.spec.leaves.get(key) or self.spec.conditions[key]
                kind = np.int64 if leaf.classes else np.float64 if leaf.double else np.float32
                batch[key] = torch.from_numpy(rows.astype(kind))
        batch["x"] = augmented(batch["x"], self.augment, noise, levels=self.spec.leaves["x"].levels)
        return batch


def npz(
    split: str = "train",
    *,
    path: str,
    modality: str = "",
    labels: bool = True,
    range: tuple[float, float] | None = None,
    augment: options.Augmenting = None,
    test_share: float = 0.1,
) -> Npz:
    """The examples in the file `path`. Raises UsageError: no such file, no .npz, no `x`, rows that do not match."""
    given = {"path": path, "modality": modality, "labels": labels, "range": range, "augment": augment, "test_share": test_share}
    return Npz(options.Npz.model_validate(given), split)


def _read(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            if not hasattr(file, "files"):
                raise ValueError("a single array")
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise UsageError(f"npz {path}: there is no such file; name one as npz:PATH") from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"npz {path}: this is no .npz file of plain arrays") from error
    if "x" not in arrays:
        raise UsageError(f"npz {path}: it has no array 'x', the examples (it has: {', '.join(sorted(arrays)) or 'nothing'})")
    lengths = {key: len(value) if value.ndim else -1 for key, value in arrays.items()}
    if wrong := [key for key, length in lengths.items() if length != lengths["x"]]:
        raise UsageError(f"npz {path}: '{wrong[0]}' has not one row for each of the {lengths['x']} rows of 'x'")
    if not lengths["x"]:
        raise UsageError(f"npz {path}: 'x' has no rows")
    for key, value in arrays.items():
        if _condition(key):
            continue
        if value.dtype.kind not in "fiub":
            raise UsageError(f"npz {path}: '{key}' holds {value.dtype}, not numbers")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise UsageError(f"npz {path}: '{key}' holds NaN or infinity")
    return arrays


def _condition(key: str) -> str:
    return key if key == "label" else key.removeprefix("cond_") if key.startswith("cond_") else ""


def _modality(x: NDArray[Any], path: Path) -> str:
    shape = x.shape[1:]
    if len(shape) == 3 or (x.dtype == np.uint8 and len(shape) == 2):
        return "image"
    if x.dtype.kind == "f" and len(shape) == 1:
        return "points"
    raise UsageError(f"npz {path}: cannot tell what x {x.shape} {x.dtype} is; say it with the option modality (points, image …)")


def _channels_first(x: NDArray[Any], path: Path) -> NDArray[Any]:
    """Images (n, C, H, W), of those, (n, H, W) or (n, H, W, C). Raises UsageError for other numbers of axes."""
    if x.ndim == 3:
        return x[:, None]
    if x.ndim != 4:
        raise UsageError(f"npz {path}: images are (n, height, width), with channels first or last, and x is {x.shape}")
    first = x.shape[1] in (1, 3) or (x.shape[3] not in (1, 3) and x.shape[1] <= x.shape[3])  # channels are the fewest
    return x if first else np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _span(x: NDArray[Any], given: tuple[float, float] | None, path: Path) -> Span | None:
    """The values that become black and white; None for floats in [-1, 1], which stay as they are. Says what was chosen.

    Unsigned integers of 8 and 16 bits have their type's, [0, 1] have floats that lie in it, other integers have their own.
    Raises UsageError for other floats.
    """
    if given:
        return Span(*given)
    if x.dtype == bool:
        return Span(0, 1)
    low, high = float(x.min()), float(x.max())
    if x.dtype.kind == "f" and not (low >= -1 and high <= 1):
        remedy = "dataset.options.range=[LOW,HIGH], the values of black and white, says how to read them"
        raise UsageError(f"npz {path}: the images in 'x' leave [-1, 1]: they go from {low:g} to {high:g}; {remedy}")
    if x.dtype.kind == "f" and low < 0:
        return None
    span = Span(0, 1) if x.dtype.kind == "f" else Span(0, np.iinfo(x.dtype).max) if x.dtype in (np.uint8, np.uint16) else Span(low, high)
    if not span.high > span.low:
        raise UsageError(f"npz {path}: every value of 'x' is {low:g}, so nothing says how bright that is: set dataset.options.range")
    if x.dtype != np.uint8:
        note(f"npz {path}: values {low:g} … {high:g}; {span.low:g} becomes black, {span.high:g} white (dataset.options.range)")
    return span


def _classes(array: NDArray[Any]) -> bool:
    """Whether a condition is a class: one whole number or name for each example."""
    return array.dtype.kind in "iubU" and array.size == len(array)


def _leaf(array: NDArray[Any]) -> Leaf:
    if array.dtype.kind not in "fiub":
        raise UsageError(f"a condition holds {array.dtype}, neither numbers nor names")
    classes = 0 if array.dtype.kind == "f" else int(array.max(initial=0)) + 1
    return Leaf(shape=tuple(array.shape[1:]), classes=classes, double=array.dtype == np.float64)


def _length(leaves: Arrays, path: Path) -> Leaf:
    """The leaf that says how many steps of each x count."""
    length, steps = leaves["length"], leaves["x"].shape[1] if leaves["x"].ndim > 1 else 0
    if length.ndim != 1 or length.dtype.kind not in "iu" or (length > steps).any():
        raise UsageError(f"npz {path}: 'length' must say how many of the {steps} steps of each example count, as whole numbers up to that")
    return Leaf(classes=steps + 1)
