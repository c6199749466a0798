"""One model steered by another."""

from __future__ import annotations

from typing import Any

from ..gaussian.guidance import guided as steered
from ..protocols import NextToken, can
from ..samplers.beside import Contrasted


def guided(model: Any, guide: Any, scale: float | None = None) -> Any:
    """`model` steered by `guide`: a denoiser up the slope of a classifier (`scale`: 1 by default) or away from a weaker denoiser (2 by
    default), a model of tokens away from a weaker one (1.5 by default)."""
    if can(model, NextToken):
        return Contrasted(model, guide, 1.5 if scale is None else scale)
    return steered(model, guide, scale)
