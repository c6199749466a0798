"""A run that kills itself, without a word, at a chosen moment."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

MOMENTS = {
    "before the first checkpoint": 3,
    "between two rounds": 9,
    "inside a loss": 7,
    "while the state is written": 10,
    "before the old state is removed": 10,
    "before the weights follow the state": 15,
    "while the weights are written": 10,
    "in the middle of a log's line": 12,
}


def recipe(**changes: Any) -> Any:
    from tests.stranger.families import FAMILIES
    from tests.stranger.families import recipe as of

    every = {"checkpoint_every": 5, "evaluate_every": 4, "log_every": 1, "ema_decay": 0.8}
    return of(FAMILIES["wgan"], {}, steps=20, **every, **changes)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(training: Any, moment: str) -> None:
    """Put the bomb where the moment says; it goes off at the moment's round."""
    from gentk.training import state

    trainer, step = training.trainer, MOMENTS[moment]
    replace, save_file = os.replace, state.save_file

    def at(path: Any, name: str) -> bool:
        return name in str(path) and trainer.step == step

    def moved(source: Any, target: Any) -> None:
        if moment == "while the weights are written" and at(target, "model.safetensors"):
            die()
        replace(source, target)
        if moment == "before the old state is removed" and at(target, "state"):
            die()

    def saved(tensors: Any, path: str) -> None:
        save_file(tensors, path)
        if moment == "while the state is written" and at(path, "model.safetensors"):
            die()

    os.replace, state.save_file = moved, saved  # type: ignore[assignment]
    if moment == "inside a loss":
        kind = type(trainer.model)  # not the instance: the average is a copy of it
        loss = kind.loss
        kind.loss = lambda self, batch, phase, k: die() if k == step else loss(self, batch, phase, k)
    if moment == "before the weights follow the state":
        write = training._write
        training._write = lambda folder: die() if trainer.step == step and folder == training.run.folder else write(folder)


def run(folder: Path, resume: bool) -> None:
    """A run that does not."""
    import torch

    import gentk

    torch.set_num_threads(1)
    gentk.train(recipe(), out=folder, resume=resume)


def die_at(folder: Path, moment: str) -> None:
    """The whole life of a process."""
    import torch

    from gentk.training import Training

    torch.set_num_threads(1)
    training = Training(recipe(), folder)
    arm(training, moment)
    for progress in training:
        if progress.step == MOMENTS[moment]:
            if moment == "in the middle of a log's line":
                with (folder / "log.jsonl").open("a") as file:
                    file.write('{"step": 13, "critic/lo')
            die()
