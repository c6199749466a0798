"""The header of a safetensors file: what it says it holds, every claim checked against the file. No torch."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import GentkError
from .files import opened, shown

MAX_HEADER = 25_000_000
MAX_TENSORS = 100_000
MAX_SIZE, MAX_NUMBERS = 1 << 40, 1 << 62  # in one dimension; in all that are not 0, as strides are their product
WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


@dataclass(frozen=True)
class Header:
    """What weights say they hold. `path`: model.safetensors, or the index of its shards. `tensors`: dtype and shape of each.
    `bytes`: of all files with numbers. `places`: in which file each tensor begins at which byte."""

    path: Path
    tensors: Mapping[str, tuple[str, tuple[int, ...]]]
    bytes: int
    places: Mapping[str, tuple[Path, int]] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for _, shape in self.tensors.values())

    @property
    def dtypes(self) -> list[str]:
        return sorted({dtype for dtype, _ in self.tensors.values()})


def read_file(path: Path) -> Header:
    """The header of one safetensors file. Raises GentkError in one line."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(512)
        length = _length(start, size, path)
        file.seek(8)
        raw = file.read(length)
    entries = _entries(raw, path)
    end = _tiled([span for _, _, span in entries.values()], path)
    if 8 + length + end != size:
        kind = "truncated" if 8 + length + end > size else "too long"
        raise GentkError(f"{path} is {kind}: expected {8 + length + end} bytes, found {size}; download it again")
    places = {name: (path, 8 + length + low) for name, (_, _, (low, _)) in entries.items()}
    return Header(path, {name: (dtype, shape) for name, (dtype, shape, _) in entries.items()}, size, places)


def _length(start: bytes, size: int, path: Path) -> int:
    """How long the header is, from the file's first bytes."""
    if foreign := _foreign(start):
        raise GentkError(f"{path} {foreign}")
    if len(start) < 8:
        raise GentkError(f"{path} is truncated: {len(start)} bytes are no safetensors file")
    (length,) = struct.unpack("<Q", start[:8])
    if length > MAX_HEADER:
        if length > size:
            raise GentkError(f"{path} is not a safetensors file")
        raise GentkError(f"{path}: its header of {length / 1e6:.0f} MB exceeds 25 MB")
    if 8 + length > size:
        raise GentkError(f"{path} is truncated: expected {8 + length} bytes for its header alone, found {size}; download it again")
    return int(length)


def _foreign(start: bytes) -> str:
    """What a file that is no safetensors file looks like."""
    text = start.lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "is a Git-LFS pointer, not weights: run `git lfs pull` or download it again"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "looks like a web page, not weights: check HF_ENDPOINT or a proxy, and download it again"
    protocol = start.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")) and start[8:9] != b"{"  # else a header of 640 bytes
    if protocol or start.startswith(b"PK\x03\x04"):
        return "is not a safetensors file (it looks like a pickle, which gentk does not load)"
    return ""


Entry = tuple[str, tuple[int, ...], tuple[int, int]]


def _entries(raw: bytes, path: Path) -> dict[str, Entry]:
    """Name → dtype, shape, where its bytes begin and end. The format forbids a name twice; its library accepts it."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise GentkError(f"{path}: tensor '{shown(key)}' appears twice")
            found[key] = value
        return found

    if (count := max(raw.count(b"{"), raw.count(b"[") // 2)) > 2 * MAX_TENSORS:  # before each becomes an object in memory
        raise GentkError(f"{path} lists {count} things; at most {MAX_TENSORS} tensors are read")
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise GentkError(f"{path} is not a safetensors file: its header is not JSON") from None
    if not isinstance(header, dict):
        raise GentkError(f"{path} is not a safetensors file: its header is no object")
    header.pop("__metadata__", None)
    if len(header) > MAX_TENSORS:
        raise GentkError(f"{path} lists {len(header)} tensors; at most {MAX_TENSORS} are read")
    found: dict[str, Entry] = {}
    for name, entry in header.items():
        try:
            dtype, shape, (low, high) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
            sound = all(type(v) is int and v >= 0 for v in (*shape, low, high)) and len(shape) <= 32
            sound = sound and max(shape, default=0) <= MAX_SIZE and math.prod(filter(None, shape)) <= MAX_NUMBERS
            sound = sound and high - low == math.prod(shape) * WIDTHS[dtype]
        except (TypeError, KeyError, ValueError):
            sound = False
        if not sound:
            raise GentkError(f"{path}: the entry of tensor '{shown(name)}' is damaged or of an unknown type")
        found[name] = dtype, shape, (low, high)
    return found


def _tiled(spans: list[tuple[int, int]], path: Path) -> int:
    """Where the last one ends. Raises GentkError unless each begins where another ends."""
    end = 0
    for low, high in sorted(spans):
        if low != end:
            raise GentkError(f"{path} is damaged: its tensors overlap or leave holes")
        end = high
    return end
