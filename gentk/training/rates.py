"""The learning rate over a run, as a share of its peak."""

from __future__ import annotations

import math

from ..recipes import TrainingPart


def share(step: int, settings: TrainingPart) -> float:
    """The rate of round `step` (from 0) over the peak: a linear warm-up, then what `lr_schedule` says, down to zero at the end."""
    progress = step / settings.steps
    warm = min(1.0, (step + 1) / (settings.warmup * settings.steps)) if settings.warmup else 1.0
    if settings.lr_schedule == "constant":
        return warm
    if settings.lr_schedule == "linear":
        return warm * (1 - progress)
    if settings.lr_schedule == "cosine":
        return warm * (1 + math.cos(math.pi * progress)) / 2
    if progress < settings.flat:
        return warm
    return warm * (1 - progress) / (1 - settings.flat)
