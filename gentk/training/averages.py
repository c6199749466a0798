"""The exponential moving average of the weights (Polyak & Juditsky 1992; windows that grow: Karras et al. 2024)."""

from __future__ import annotations

import copy
from typing import Any

import torch

from ..recipes import TrainingPart


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
        paths = tuple(getattr(model, "ema", ()))
        live = dict(model.state_dict(keep_vars=True))
        parameters = {name for name, _ in model.named_parameters()}
        averaged = self.model.state_dict(keep_vars=True)
        smooth = [name for name in averaged if name in parameters and paths and under(name, paths)]
        rest = [name for name in averaged if name not in set(smooth)]
        self._smooth = [averaged[n] for n in smooth], [live[n].detach() for n in smooth]
        self._rest = [(averaged[n], live[n].detach()) for n in rest]

    @torch.no_grad()
    def update(self, keep: float) -> None:
        if self._smooth[0]:
            torch._foreach_lerp_(self._smooth[0], self._smooth[1], 1 - keep)
        for mine, theirs in self._rest:
            mine.copy_(theirs)
