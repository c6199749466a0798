"""The exponential moving average of the weights (Polyak & Juditsky 1992; windows that grow: Karras et al. 2024)."""

from __future__ import annotations

import copy
from typing import Any

import torch

from ..recipes import TrainingPart
from .gate import Gate


def under(name: str, paths: tuple[str, ...]) -> bool:
    """Whether a parameter's name lies in one of the submodules; no paths means all."""
    return not paths or any(name == path or name.startswith(path + ".") for path in paths)


def decay(step: int, settings: TrainingPart) -> float:
    """The share of the old average that round `step` (from 0) keeps. A window that is a share of the rounds so far forgets the start."""
    if settings.ema_decay is not None:
        return settings.ema_decay
    return 1 - 1 / (settings.ema_share * (step + 1) + 1)


class Average:
    """A whole copy of the model whose `ema` submodules are averaged and whose rest follows, so it can be used as any model."""

    def __init__(self, model: Any) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        twins = zip(self.model.modules(), model.modules(), strict=True)
        self._buffers = [(mine, theirs) for mine, theirs in twins if mine._buffers]
        paths = tuple(getattr(model, "ema", ()))
        live, averaged = dict(model.named_parameters()), dict(self.model.named_parameters())  # tied weights stand here once
        smooth = {name for name, _ in model.named_parameters(remove_duplicate=False) if paths and under(name, paths)}
        shared = {id(p) for name, p in model.named_parameters(remove_duplicate=False) if name in smooth}
        names = [name for name, p in live.items() if id(p) in shared]
        self._smooth = [averaged[n] for n in names], [live[n].detach() for n in names]
        self._rest = [(averaged[n], live[n].detach()) for n in live if n not in set(names)]

    @torch.no_grad()
    def update(self, keep: float, gate: Gate | None = None) -> None:
        """Keep the share `keep` of what was. Through a gate that the host does not ask: all of it where that is shut."""
        mine, live = self._smooth
        if mine and (gate is None or gate.eager):
            torch._foreach_lerp_(mine, live, 1 - keep)
        elif mine and gate is not None:
            share = (1 - keep) * gate.open
            torch._foreach_mul_(mine, 1 - share)
            torch._foreach_add_(mine, torch._foreach_mul(live, share))
        self._follow()

    def _follow(self) -> None:
        for mine, theirs in self._rest:
            mine.copy_(theirs)
        for twin, module in self._buffers:
            for name, buffer in twin._buffers.items():
                if buffer is not None:
                    buffer.copy_(module._buffers[name])  # asked anew: a model may replace its buffers
