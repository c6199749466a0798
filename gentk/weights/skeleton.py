"""A model without numbers: what the names, shapes and types of its tensors would be. Costs no memory, however large the config says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules.module import register_module_buffer_registration_hook as registered_buffer
from torch.nn.modules.module import register_module_module_registration_hook as registered_module
from torch.nn.modules.module import register_module_parameter_registration_hook as registered_parameter
from torch.overrides import TorchFunctionMode

from ..errors import GentkError

MAX_PARTS = 200_000

_INITIALISERS = {
    f"{name}_"
    for name in ("normal", "uniform", "trunc_normal", "fill", "zero", "copy", "constant", "zeros", "ones", "orthogonal", "eye")
} | {f"{how}_{law}_" for how in ("kaiming", "xavier") for law in ("uniform", "normal")}


class _Uninitialised(TorchFunctionMode):
    """Leaves meta tensors as they are. There is nothing to fill, and for some laws, and for `eye`, torch would import its compiler to do
    so (8 s)."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.eye and "device" not in kwargs:
            sizes = [*args, kwargs.get("n"), kwargs.get("m")]
            rows, *columns = [size for size in sizes if size is not None]
            return torch.empty(rows, *(columns or [rows]), dtype=kwargs.get("dtype"))
        filled = args[0] if args else kwargs.get("tensor")
        if getattr(func, "__name__", "") in _INITIALISERS and isinstance(filled, torch.Tensor) and filled.is_meta:
            return filled
        return func(*args, **kwargs)


class _Counter(threading.local):
    """How many parts this thread has made inside `skeleton`; None outside."""

    made: int | None = None


_counter = _Counter()


def _count(*args: Any) -> None:
    if _counter.made is None:
        return
    _counter.made += 1
    if _counter.made > MAX_PARTS:
        raise GentkError(f"it describes a model of more than {MAX_PARTS} parts")


for _register in (registered_module, registered_parameter, registered_buffer):
    _register(_count)  # once and for good: torch's tables of hooks are the process's, and other threads go through them


@contextmanager
def skeleton() -> Iterator[None]:
    """Modules built inside, in this thread, have their tensors on the meta device.

    Raises GentkError once they are more than any model has: tensors cost nothing there, but each module, parameter and buffer is an object
    of Python's.
    """
    outer, _counter.made = _counter.made, 0
    try:
        with torch.device("meta"), _Uninitialised():
            yield
    finally:
        _counter.made = outer
