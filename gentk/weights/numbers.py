"""The numbers of weights, read as the checked header says. Into memory, not mapped: a file that shrinks while it is mapped kills the
process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from ..errors import GentkError
from .files import opened, shown
from .header import Header

TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
AT_ONCE = 250_000_000
"""Bytes that are held beside the model they go into."""


def parts(header: Header, most: int = AT_ONCE) -> Iterator[dict[str, Tensor]]:
    """The tensors in groups of about `most` bytes, each file read from front to back. Raises GentkError where one is not finite."""
    part: dict[str, Tensor] = {}
    held = 0
    for name, (path, start) in sorted(header.places.items(), key=lambda item: item[1]):
        tensor = part[name] = _read(path, start, *header.tensors[name])
        _check(tensor, name, path)
        held += tensor.nbytes
        if held >= most:
            yield part
            part, held = {}, 0
    if part:
        yield part


def read_tensors(header: Header) -> dict[str, Tensor]:
    """All the numbers. Raises GentkError where one is not finite."""
    return {name: tensor for part in parts(header) for name, tensor in part.items()}


def _read(path: Path, start: int, dtype: str, shape: tuple[int, ...]) -> Tensor:
    tensor = torch.empty(shape, dtype=TYPES[dtype])
    raw = tensor.reshape(-1).view(torch.uint8).numpy().data
    with opened(path) as file:
        file.seek(start)
        found = file.readinto(raw) if raw.nbytes else 0  # type: ignore[attr-defined]
    if found != raw.nbytes:
        raise GentkError(f"{path} is truncated: it became shorter while it was read")
    return tensor


def _check(tensor: Tensor, name: str, path: Path) -> None:
    if tensor.is_floating_point():
        if count := tensor.numel() - int(torch.isfinite(tensor).sum()):
            said = f"{shown(name)} has {count} non-finite values"
            raise GentkError(f"{path}: {said}; such weights are not loaded: train or convert them again")
    elif tensor.dtype == torch.bool and tensor.numel() and int(tensor.view(torch.uint8).max()) > 1:
        raise GentkError(f"{path} is damaged: {shown(name)} holds truth values that are neither 0 nor 1")
