"""Whether weights fit the model that their config describes, found out on the meta device before anything large is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import GentkError
from .files import CONFIG, shown
from .header import Header

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..protocols import DataSpec

MAX_NUMBERS = 100_000_000_000
EXAMPLE = 1_000_000  # numbers that one example may have beside as many as there are parameters
BESIDE = 250_000_000  # numbers that a model may make beside those in its file: critics, tables
WIDER = {("F16", "F32"), ("BF16", "F32")}  # what may be stored narrower than the model wants it


def compare(header: Header, wanted: Mapping[str, Tensor]) -> None:
    """Names, shapes and types against a model that was built on the meta device. Raises GentkError for the first misfit."""
    _bounded(sum(tensor.numel() for tensor in wanted.values()), header)
    missing, extra = sorted(set(wanted) - set(header.tensors)), sorted(set(header.tensors) - set(wanted))
    if missing or extra:
        parts = [f"{what} {', '.join(map(shown, names[:5]))}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
                 for what, names in (("lack", missing), ("have no place for", extra)) if names]  # fmt: skip
        raise GentkError(f"{header.path}: weights do not fit the config: they {'; and they '.join(parts)}")
    for name, tensor in wanted.items():
        dtype, shape = header.tensors[name]
        if shape != tuple(tensor.shape):
            raise GentkError(f"{header.path}: weights do not fit the config: {name} is {_by(shape)}, the config wants {_by(tensor.shape)}")
        want = type_name(tensor)
        if dtype != want and (dtype, want) not in WIDER:
            raise GentkError(f"{header.path}: {name} is {dtype}, the model wants {want}")


def check_size(header: Header, model: nn.Module) -> None:
    """What a model on the meta device would take, against what its file holds: critics and tables are in no file, and might be of any
    size. Raises GentkError."""
    numbers = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    _bounded(numbers, header)
    if numbers > 8 * header.parameters + BESIDE:
        told = f"{numbers:.1e} parameters ({_size(4 * numbers)})"
        raise GentkError(f"{header.path.parent / CONFIG} describes {told}, the weights hold {header.parameters:.1e} of them")


def check_example(header: Header, data: DataSpec) -> None:
    """What one example is, against what the file holds: a network spends a hundred times as much memory on it. Raises GentkError."""
    leaves = {**data.leaves, **data.conditions}
    largest = max(leaves, key=lambda name: math.prod(leaves[name].shape))
    numbers = math.prod(leaves[largest].shape)
    if numbers > (most := EXAMPLE + header.parameters):
        told = f"'{largest}' of {_by(leaves[largest].shape)}, {numbers:.1e} numbers in one example"
        limit = f"weights of {header.parameters:.1e} parameters make {most:.1e} at most"
        raise GentkError(f"{header.path.parent / CONFIG} describes {told}; {limit}")


def _bounded(numbers: int, header: Header) -> None:
    if numbers > MAX_NUMBERS:
        told = f"{numbers:.1e} parameters ({_size(4 * numbers)})"
        raise GentkError(f"{header.path.parent / CONFIG} describes {told}; the limit is {MAX_NUMBERS:.0e}")


def _size(count: int) -> str:
    return f"{count / 1e12:.0f} TB" if count > 1e12 else f"{count / 1e9:.0f} GB"


def _by(shape: Any) -> str:
    return "×".join(map(str, shape)) or "a scalar"


def type_name(tensor: Tensor) -> str:
    """A dtype as the format spells it."""
    from .numbers import TYPES

    return next((name for name, dtype in TYPES.items() if dtype == tensor.dtype), str(tensor.dtype))
