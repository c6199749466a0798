"""Reading a folder that nobody vouches for. No pickle is opened, no code is run, and nothing large is made before it was measured.

Order: files, config, plugin, header, names and shapes against a model built on the meta device, then the numbers. No flag turns a
refusal off.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GentkError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, TENSORS = "config.json", "model.safetensors"
FORMAT = 1
MAX_CONFIG = 1_000_000
MAX_HEADER = 25_000_000
MAX_TENSORS = 100_000
MAX_NUMBERS = 100_000_000_000
WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
WIDER = {("F16", "F32"), ("BF16", "F32")}  # what may be stored narrower than the model wants it


@dataclass(frozen=True)
class Header:
    """What model.safetensors says it holds: dtype and shape of each tensor."""

    path: Path
    tensors: Mapping[str, tuple[str, tuple[int, ...]]]
    bytes: int

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for _, shape in self.tensors.values())

    @property
    def dtypes(self) -> list[str]:
        return sorted({dtype for dtype, _ in self.tensors.values()})


def member(folder: Path, name: str) -> Path:
    """A file of the folder. A link may lead out of it only inside the Hub's cache, whose files are links into `blobs`."""
    path = folder / name
    if not path.is_file():
        if name == TENSORS and (found := sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)):
            raise GentkError(f"{folder} has no safetensors weights, only {found[0]}; gentk does not load pickle: convert and save again")
        raise GentkError(f"{folder} has no {name}")
    real, home = path.resolve(), folder.resolve()
    blobs = home.parent.parent / "blobs" if home.parent.name == "snapshots" else None
    if not real.is_relative_to(home) and not (blobs and real.parent == blobs):
        raise GentkError(f"{path} points outside the folder, to {real}")
    return path


# ---------------------------------------------------------------- config.json
def read_config(folder: Path) -> dict[str, Any]:
    """config.json, checked. Raises GentkError in one line. No torch."""
    path, config = folder / CONFIG, read_json(folder, CONFIG)
    if config.get("format") != FORMAT:
        raise GentkError(f"{path} has format {config.get('format')!r}; this gentk reads format {FORMAT}: update gentk, or save again")
    _check_shape(config, path)
    return config


def read_json(folder: Path, name: str, *, constants: bool = False) -> dict[str, Any]:
    """The object in a JSON file of the folder, of bounded size. `constants`: NaN and Infinity are read, as other writers use them.
    Raises GentkError in one line."""
    path = member(folder, name)
    if path.stat().st_size > MAX_CONFIG:
        raise GentkError(f"{path} is {path.stat().st_size / 1e6:.1f} MB; a config has at most 1 MB")
    try:
        config = json.loads(path.read_text("utf-8"), parse_constant=None if constants else _no_constant)
    except RecursionError:
        raise GentkError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise GentkError(f"{path} is not JSON: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(config, dict):
        raise GentkError(f"{path} must be an object, found {type(config).__name__}")
    return config


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _check_shape(config: Mapping[str, Any], path: Path) -> None:
    """Every key that gentk reads has the type it must have, so that nothing later meets a surprise."""
    from pydantic import TypeAdapter, ValidationError

    from ..conditions import CONDITIONS
    from ..protocols import DataSpec

    wanted = {"plugin": str, "model": str, "config": dict[str, Any]}
    checks: dict[str, Any] = {key: TypeAdapter(kind) for key, kind in wanted.items()}
    checks |= {"data": TypeAdapter(DataSpec), "conditions": CONDITIONS, "sampler": TypeAdapter(dict[str, Any])}
    for key, check in checks.items():
        if key not in config:
            if key in ("conditions", "sampler"):
                continue
            raise GentkError(f"{path}: '{key}' is missing")
        try:
            check.validate_python(config[key], strict=False)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join([key, *map(str, first["loc"])])
            raise GentkError(f"{path}: {where}: {first['msg'].removeprefix('Input ')}, found {str(first['input'])[:60]!r}") from None
    recommended = config.get("sampler") or {"name": "", "options": {}}
    if not isinstance(recommended.get("name", ""), str) or not isinstance(recommended.get("options", {}), dict):
        raise GentkError(f"{path}: sampler must have a name and options")
    if config.get("latents") is not None:
        if not isinstance(config["latents"], dict):
            raise GentkError(f"{path}: latents must be an object")
        _check_shape(config["latents"], path)


def check_plugins(config: Mapping[str, Any]) -> None:
    """The plugins that the config names are installed. The name is a key to look up, never something to import or install."""
    from ..host import lookup

    name, installed = config["plugin"], lookup.host().plugins
    if name not in installed:
        needs = [d for d in config.get("requires", {}) if d != "gentk"] if isinstance(config.get("requires"), dict) else []
        offer = f" (they were made with {', '.join(map(str, needs))})" if needs else ""
        raise GentkError(f"weights need plugin '{name}', which is not installed{offer}{did_you_mean(name, installed)}")
    lookup.model_spec(name, config["model"])
    if config.get("latents"):
        check_plugins(config["latents"])


# ---------------------------------------------------------------- model.safetensors
def read_header(folder: Path, name: str = TENSORS) -> Header:
    """The header of a safetensors file, every claim checked against the file. Raises GentkError in one line. No torch."""
    path = member(folder, name)
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512)
        if len(start) < 8:
            raise GentkError(f"{path} is truncated: {len(start)} bytes are no safetensors file")
        (length,) = struct.unpack("<Q", start[:8])
        if foreign := _foreign(start):
            raise GentkError(f"{path} {foreign}")
        if length > MAX_HEADER:
            if length > size:
                raise GentkError(f"{path} is not a safetensors file")
            raise GentkError(f"{path}: its header of {length / 1e6:.0f} MB exceeds 25 MB")
        if 8 + length > size:
            raise GentkError(f"{path} is truncated: its header alone has {length} bytes, the file {size}")
        file.seek(8)
        raw = file.read(length)
    tensors, end = _parse(raw, path)
    if 8 + length + end != size:
        kind = "truncated" if 8 + length + end > size else "too long"
        raise GentkError(f"{path} is {kind}: expected {8 + length + end} bytes, found {size}")
    return Header(path, tensors, size)


def _foreign(start: bytes) -> str:
    """What a file that is no safetensors file looks like."""
    text = start.lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "is a Git-LFS pointer, not weights: run `git lfs pull` or download it again"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "looks like a web page, not weights: check HF_ENDPOINT or a proxy, and download it again"
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return "is not a safetensors file (it looks like a pickle, which gentk does not load)"
    return ""


def _parse(raw: bytes, path: Path) -> tuple[dict[str, tuple[str, tuple[int, ...]]], int]:
    """(tensors, bytes of numbers). Offsets must tile the file, as the format says; the library accepts twice the same name."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise GentkError(f"{path}: tensor '{key}' appears twice")
            found[key] = value
        return found

    try:
        header = json.loads(raw, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise GentkError(f"{path} is not a safetensors file: its header is not JSON") from None
    if not isinstance(header, dict):
        raise GentkError(f"{path} is not a safetensors file: its header is no object")
    header.pop("__metadata__", None)
    if len(header) > MAX_TENSORS:
        raise GentkError(f"{path} lists {len(header)} tensors; at most {MAX_TENSORS} are read")
    tensors, spans = {}, []
    for name, entry in header.items():
        try:
            dtype, shape, (low, high) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
            sound = all(type(v) is int and v >= 0 for v in (*shape, low, high)) and len(shape) <= 32
            sound = sound and high - low == math.prod(shape) * WIDTHS[dtype]
        except (TypeError, KeyError, ValueError):
            sound = False
        if not sound:
            raise GentkError(f"{path}: the entry of tensor '{name[:80]}' is damaged or of an unknown type")
        tensors[name] = dtype, shape
        spans.append((low, high))
    end = 0
    for low, high in sorted(spans):
        if low != end:
            raise GentkError(f"{path} is damaged: its tensors overlap or leave holes")
        end = high
    return tensors, end


def compare(header: Header, wanted: Mapping[str, Tensor]) -> None:
    """Names, shapes and types against a model that was built on the meta device. Raises GentkError for the first misfit."""
    numbers = sum(tensor.numel() for tensor in wanted.values())
    if numbers > MAX_NUMBERS:
        raise GentkError(
            f"{header.path.parent / CONFIG} describes {numbers:.1e} parameters ({numbers * 4 / 1e12:.0f} TB); at most 1e11 are read"
        )
    missing, extra = sorted(set(wanted) - set(header.tensors)), sorted(set(header.tensors) - set(wanted))
    if missing or extra:
        parts = [f"{what} {', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
                 for what, names in (("lack", missing), ("have no place for", extra)) if names]  # fmt: skip
        raise GentkError(f"{header.path}: weights do not fit the config: they {'; and they '.join(parts)}")
    for name, tensor in wanted.items():
        dtype, shape = header.tensors[name]
        if shape != tuple(tensor.shape):
            raise GentkError(f"{header.path}: weights do not fit the config: {name} is {_by(shape)}, the config wants {_by(tensor.shape)}")
        want = type_name(tensor)
        if dtype != want and (dtype, want) not in WIDER:
            raise GentkError(f"{header.path}: {name} is {dtype}, the model wants {want}")


def _by(shape: Any) -> str:
    return "×".join(map(str, shape)) or "a scalar"


def type_name(tensor: Tensor) -> str:
    """A dtype as the format spells it."""
    import torch

    names = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
    names |= {torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}
    return names.get(tensor.dtype, str(tensor.dtype))


def read_tensors(header: Header) -> dict[str, Tensor]:
    """The numbers. Read into memory, not mapped: a file that shrinks while it is mapped kills the process. All must be finite."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(header.path.read_bytes())
    except SafetensorError as error:
        raise GentkError(f"{header.path} is not a sound safetensors file: {' '.join(str(error).split())[:120]}") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            count = int((~torch.isfinite(tensor)).sum())
            raise GentkError(f"{header.path}: {name} has {count} non-finite values")
    return tensors
