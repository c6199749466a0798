"""`--compile`: the blocks that a network repeats are compiled, each kind once, and reused for all that are alike."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

from torch import nn

from .text import cause

VARIANTS = 64  # of one block: sizes, training or not; torch's own limit (8) is below what a U-Net has


def regions(model: nn.Module) -> list[nn.Module]:
    """What is compiled: the outermost modules whose class occurs more than once, else the children that have weights.

    Not `latents`, the frozen model of a data set: another thread encodes with it, and a batch of samples is decoded once.
    """

    def whole(module: nn.Module) -> bool:
        plain = isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict)) or type(module).__module__.startswith("torch.")
        computes = "forward" in vars(type(module)) and any(True for _ in module.children())
        return computes and not plain and any(True for _ in module.parameters())

    children = [child for child in model.children() if child is not getattr(model, "latents", None)]
    kinds = Counter(type(module) for child in children for module in child.modules() if whole(module))
    found: list[nn.Module] = []

    def walk(modules: Iterable[nn.Module]) -> None:
        for module in modules:
            if kinds[type(module)] > 1:
                found.append(module)
            else:
                walk(module.children())

    walk(children)
    return found or [child for child in children if any(True for _ in child.parameters())]


class Compiled:
    """A model whose regions are compiled when they are first called; its weights, names and copies are as before."""

    def __init__(self, model: nn.Module) -> None:
        import torch._dynamo

        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, VARIANTS)
        self.modules = regions(model)
        for module in self.modules:
            module.compile(dynamic=True)

    def give_up(self, error: BaseException) -> None:
        """Compute without the compiler from now on, and say why in one line."""
        for module in self.modules:
            module._compiled_call_impl = None
        print(f"going on without --compile, the compiled network failed: {cause(error.__cause__ or error)}", file=sys.stderr)
