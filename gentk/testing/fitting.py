"""Whether tensors are what a DataSpec says: keys, shapes, types and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .registry import Failure

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Leaf


def fits(batch: Mapping[str, Any], leaves: Mapping[str, Leaf], where: str, rows: tuple[int, ...] = (), *, drawn: bool = False) -> None:
    """Every leaf is in `batch` with its shape behind `rows`, its dtype and values of its kind. What a model has `drawn` may be wider than
    float32, between levels, and beyond its range by half of the range's width. Raises Failure, which names the leaf and `where`."""
    for name, leaf in leaves.items():
        if name not in batch:
            raise Failure(f"{where}: '{name}' is missing; it holds {', '.join(batch) or 'nothing'}")
        if wrong := _misfit(batch[name], leaf, (*rows, *leaf.shape), drawn):
            raise Failure(f"{where}: '{name}' {wrong}")


def _misfit(value: Any, leaf: Leaf, shape: tuple[int, ...], drawn: bool) -> str:
    import torch

    if not isinstance(value, torch.Tensor):
        return f"is a {type(value).__name__}, not a tensor"
    if tuple(value.shape) != shape:
        return f"has shape {tuple(value.shape)}, the spec says {shape}"
    wanted = torch.int64 if leaf.classes else torch.float64 if leaf.double else torch.float32
    if value.dtype != wanted and not (drawn and value.dtype == torch.float64 and not leaf.classes):
        return f"is {str(value.dtype).removeprefix('torch.')}, must be {str(wanted).removeprefix('torch.')}"
    if not value.numel():
        return ""
    if leaf.columns and not leaf.classes:
        return _columns(value, leaf)
    return _classes(value, leaf.classes) if leaf.classes else _numbers(value, leaf, drawn)


def _columns(value: Tensor, leaf: Leaf) -> str:
    """Of rows or steps: NaN only where something may be missing, whole numbers and states that there are."""
    for j, column in enumerate(leaf.columns):
        numbers = value[..., j].double()
        if bool(numbers.isinf().any()) or (bool(numbers.isnan().any()) and not column.missing):
            return f"holds {'infinity' if bool(numbers.isinf().any()) else 'NaN'} in the column '{column.name}'"
        there = numbers[~numbers.isnan()]
        if column.kind in ("integer", "category") and bool((there != there.round()).any()):
            return f"holds a number in the column '{column.name}' that is not whole"
        if column.kind == "category" and len(there) and not (float(there.min()) >= 0 and float(there.max()) < len(column.names)):
            return f"holds a state in the column '{column.name}' beyond its {len(column.names)}"
    return ""


def _classes(value: Tensor, classes: int) -> str:
    low, high = int(value.min()), int(value.max())
    return f"holds class {low if low < 0 else high}; the spec has {classes} (0-{classes - 1})" if low < 0 or high >= classes else ""


def _numbers(value: Tensor, leaf: Leaf, drawn: bool) -> str:
    import torch

    if not bool(torch.isfinite(value).all()):
        return f"has {int((~torch.isfinite(value)).sum())} values that are not finite"
    if leaf.range is None:
        return ""
    (low, high), least, most = leaf.range, float(value.min()), float(value.max())
    room = (0.5 if drawn else 1e-5) * (high - low)
    if least < low - room or most > high + room:
        return f"has values from {least:.4g} to {most:.4g}, the spec says {low:g} to {high:g}"
    if leaf.levels > 1 and not drawn:
        place = (value.double() - low) / (high - low) * (leaf.levels - 1)
        if float((place - place.round()).abs().max()) > 1e-3:
            return f"has values between the {leaf.levels} levels of its range"
    return ""
