"""A round that fails leaves nothing behind: what it has written is put back, so the last completed round can be saved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .optimizers import Optimizer


class Undo:
    """A context around a round. On any exception, buffers and what was given to `keep` get their values back, and gradients are dropped."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        named = ((module, name, buffer) for module in model.modules() for name, buffer in module._buffers.items())
        self.buffers = [(module, name, buffer) for module, name, buffer in named if buffer is not None]
        self.tensors: dict[int, tuple[Tensor, Tensor]] = {}
        self.optimizers: list[tuple[Optimizer, dict[str, Tensor]]] = []

    def __enter__(self) -> Undo:
        self._copy(buffer for _, _, buffer in self.buffers)
        return self

    def keep(self, parameters: Iterable[nn.Parameter], optimizer: Optimizer) -> None:
        """Remember `parameters` and the state of `optimizer` before its step."""
        self._copy(parameters)
        self.optimizers.append((optimizer, {name: tensor.detach().clone() for name, tensor in optimizer.tensors().items()}))

    def _copy(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            if id(tensor) not in self.tensors:
                self.tensors[id(tensor)] = tensor, tensor.detach().clone()

    @torch.no_grad()
    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            return
        for module, name, buffer in self.buffers:
            module._buffers[name] = buffer
        for tensor, copy in self.tensors.values():
            tensor.copy_(copy)
        for optimizer, state in reversed(self.optimizers):
            optimizer.restore(state)
        for p in self.model.parameters():
            p.grad = None
