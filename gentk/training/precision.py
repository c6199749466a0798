"""Which number format the network's large products are computed in. Weights, averages, losses and logged values stay float32."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from ..errors import UsageError

AUTO = "GENTK_PRECISION"  # what "auto" means, on any machine
LAYERS: tuple[type[nn.Module], ...] = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip
PLAIN = {kind.forward for kind in LAYERS}  # a subclass with a forward of its own may compute anything: it stays float32


@cache
def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    asked = getattr(torch.cpu, "get_capabilities", None)
    if asked is not None:
        found = asked()
        return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("arm_bf16"))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """What the layers compute in; None: float32. "auto" is what GENTK_PRECISION says, else bfloat16 where that is fast.

    Raises UsageError if GENTK_PRECISION is neither float32 nor bfloat16.
    """
    if precision == "auto" and (chosen := os.environ.get(AUTO)):
        if chosen not in ("float32", "bfloat16"):
            raise UsageError(f"{AUTO}={chosen[:40]!r} is no precision: set it to float32 or bfloat16, or unset it")
        precision = chosen
    wanted = precision == "bfloat16" or (precision == "auto" and has_bfloat16(device))
    return torch.bfloat16 if wanted else None


def widened(value: Any) -> Any:
    """`value` with every half-precision tensor as float32, also inside tuples, lists, mappings and dataclasses."""
    if isinstance(value, Tensor):
        return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
    if isinstance(value, tuple):
        parts = [widened(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [widened(part) for part in value]
    if isinstance(value, Mapping):
        found = {key: widened(part) for key, part in value.items()}
        try:
            return type(value)(found)  # type: ignore[call-arg]
        except TypeError:  # a mapping that is not built from one, such as a defaultdict
            return found
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: widened(getattr(value, f.name)) for f in fields(value) if f.init})
    return value


class _Forward:
    """A module's forward in `dtype` (None: in float32), for as long as it stands in the module's own dictionary."""

    def __init__(self, module: nn.Module, dtype: torch.dtype | None, device: str) -> None:
        self.module, self.dtype, self.device = module, dtype, device
        self.inner: Callable[..., Any] = module.forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.dtype is None:  # a parametrized weight, asked for inside a layer: its algebra stays out of autocast
            with torch.autocast(self.device, enabled=False):
                return self.inner(*args, **kwargs)
        if torch.is_autocast_enabled(self.device):  # inside a submodule that is computed whole
            return self.inner(*args, **kwargs)
        with torch.autocast(self.device, self.dtype):
            out = self.inner(*args, **kwargs)
        return widened(out)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy of the module, made inside a loss, computes with its own weights."""
        copied = memo.get(id(self.module), self.module)
        return MethodType(type(copied).forward, copied)


def _chosen(model: nn.Module) -> dict[nn.Module, bool]:
    """The modules whose forward is replaced, and whether each computes in the lower precision."""
    whole = {model.get_submodule(path) for path in getattr(model, "autocast", ())}
    latents = getattr(model, "latents", None)  # encodes the next batch in another thread
    outside = set(latents.modules()) if isinstance(latents, nn.Module) else set()
    found: dict[nn.Module, bool] = {}
    for module in model.modules():
        if module in outside or (module is model and module not in whole):
            continue
        if isinstance(module, ParametrizationList):
            found[module] = False
        elif module in whole or getattr(type(module), "forward", None) in PLAIN:
            found[module] = True
    return found


class Lowered:
    """A context in which linear layers and convolutions (and the submodules that `model.autocast` names, whole) compute in `dtype` and
    return float32; all else that a loss computes stays float32. None: nothing changes.

    It goes around the backward pass too: activation checkpoints compute their part again there. Enter it once at a time, as often as you
    like: the forwards are made once, as compiled code stays valid only for the same ones.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype | None) -> None:
        device = next((p.device.type for p in model.parameters()), "cpu")
        chosen = {} if dtype is None else _chosen(model)
        self.forwards = {module: _Forward(module, dtype if low else None, device) for module, low in chosen.items()}
        self.before: list[tuple[nn.Module, Any]] = []

    def __enter__(self) -> None:
        for module, forward in self.forwards.items():
            self.before.append((module, vars(module).get("forward")))
            vars(module)["forward"] = forward

    def __exit__(self, *error: object) -> None:
        for module, own in self.before:
            if own is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = own
        self.before = []
