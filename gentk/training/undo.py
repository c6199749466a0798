"""A round that fails leaves nothing behind: what it has written is put back, so the last completed round can be saved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .gate import Gate, put_back


class Undo:
    """A context around a round. On any exception, buffers and what was given to `keep` get their values back, and gradients are dropped;
    where the gate is shut when the round ends, the same without asking. Copies have their memory for all rounds."""

    def __init__(self, model: nn.Module, gate: Gate) -> None:
        self.model, self.gate = model, gate
        self.holders = [module for module in model.modules() if module._buffers]
        self.memory: dict[int, tuple[Tensor, Tensor]] = {}  # by id: the tensor, which so keeps its id, and room for its copy
        self.kept: list[int] = []
        self.buffers: list[tuple[nn.Module, str, Tensor, Tensor]] = []

    def __enter__(self) -> Undo:
        named = [(module, name, buffer) for module in self.holders for name, buffer in module._buffers.items() if buffer is not None]
        self.buffers = [(module, name, buffer, buffer.detach().clone()) for module, name, buffer in named]
        self.kept = []
        return self

    @torch.no_grad()
    def keep(self, tensors: Iterable[Tensor]) -> None:
        """Remember the values of `tensors`; of one that is remembered already, the first ones."""
        kept = set(self.kept)
        new = [tensor for tensor in tensors if id(tensor) not in kept]
        for tensor in new:
            if id(tensor) not in self.memory:
                self.memory[id(tensor)] = tensor, torch.empty_like(tensor)
        if new:
            torch._foreach_copy_([self.memory[id(tensor)][1] for tensor in new], new)
        self.kept += [id(tensor) for tensor in new]

    @torch.no_grad()
    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        pairs = [self.memory[key] for key in self.kept]
        tensors, copies = [tensor for tensor, _ in pairs], [copy for _, copy in pairs]
        if kind is not None:
            for module, name, buffer, copy in self.buffers:
                module._buffers[name] = buffer.copy_(copy)
            for tensor, copy in pairs:
                tensor.copy_(copy)
            for p in self.model.parameters():
                p.grad = None
        elif not self.gate.eager:
            for module, name, _, copy in self.buffers:
                now = module._buffers[name]
                if now is not None and now.shape == copy.shape:
                    now.copy_(torch.where(self.gate.shut.bool(), copy, now))
            if tensors:
                put_back(tensors, copies, self.gate)
