"""Training: `train(recipe, out)` makes a run; `Training` is the same in the caller's own loop."""

from ..runs import Run
from .run import Training, stopping, train
from .trainer import Progress, Trainer

__all__ = ["Progress", "Run", "Trainer", "Training", "stopping", "train"]
