"""A model without numbers: what the names, shapes and types of its tensors would be. Costs no memory, however large the config says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_INITIALISERS = {
    f"{name}_"
    for name in ("normal", "uniform", "trunc_normal", "fill", "zero", "copy", "constant", "zeros", "ones", "orthogonal", "eye")
} | {f"{how}_{law}_" for how in ("kaiming", "xavier") for law in ("uniform", "normal")}


class _Uninitialised(TorchFunctionMode):
    """Leaves meta tensors as they are. There is nothing to fill, and for some laws torch would import its compiler to do so (8 s)."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        filled = args[0] if args else kwargs.get("tensor")
        if getattr(func, "__name__", "") in _INITIALISERS and isinstance(filled, torch.Tensor) and filled.is_meta:
            return filled
        return func(*args, **kwargs)


@contextmanager
def skeleton() -> Iterator[None]:
    """Modules built inside have their tensors on the meta device."""
    with torch.device("meta"), _Uninitialised():
        yield
