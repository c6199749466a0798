"""Asking a model about examples: in parts that fit the memory, each row with noise of its own, and the options that a method takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, get_type_hints

import torch
from torch import Tensor

from ..errors import UsageError, did_you_mean
from ..noise import Philox
from ..protocols import Batch
from ..stages import stages
from ..table_encoding import entered
from .sampling import BATCH, place_of


def parts(model: Any, batch: Batch, *, seed: int = 0, batch_size: int | None = None) -> Iterator[tuple[dict[str, Tensor], Philox]]:
    """The batch in parts, on the model's device and floats in its dtype (at least float32; leaves of doubles stay what they are), each with
    the noise of its rows.

    That noise belongs to (seed, row), so that the batch size changes nothing.
    """
    batch = entered(model, batch)
    place, size, n = place_of(model), batch_size or BATCH, len(next(iter(batch.values())))
    wide = torch.promote_types(place.dtype, torch.float32)
    doubles = {key for key, leaf in model.data.leaves.items() if leaf.double}
    for first in stages(range(0, n, size), -(-n // size)):
        part = {k: v[first : first + size].to(place.device) for k, v in batch.items()}
        part = {k: v.to(wide) if v.is_floating_point() and k not in doubles else v for k, v in part.items()}
        yield part, Philox(seed, range(first, min(first + size, n)), place.device, dtype=wide)


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """What a method can be told beside its arguments: its keyword-only parameters that have a default, with these."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}


def checked(function: Callable[..., Any], given: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """`given`, if the method takes it. Raises UsageError for a name that it does not know, or a value that its annotation forbids."""
    from pydantic import TypeAdapter, ValidationError

    known = options_of(function)
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"{owner} has no option '{name}'{did_you_mean(name, known) or '; it takes none'}")
        try:
            values[name] = TypeAdapter(_annotation(function, name)).validate_python(value, strict=True)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Input ")
            raise UsageError(f"option '{name}' of {owner}: {said}, got {value!r}") from None
    return values


def _annotation(function: Callable[..., Any], name: str) -> Any:
    """That of one parameter; Any where it names what exists only for type checkers."""
    plain = inspect.unwrap(function.func if isinstance(function, partial) else function)
    annotation = inspect.signature(function).parameters[name].annotation
    if annotation is inspect.Parameter.empty:
        return Any
    try:
        names = getattr(plain, "__func__", plain).__globals__
        return get_type_hints(SimpleNamespace(__annotations__={name: annotation}), names, include_extras=True)[name]
    except NameError:
        return Any
