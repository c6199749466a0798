"""What makes a trial short, and the same on every machine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .registry import Failure

if TYPE_CHECKING:
    from torch import Tensor

    from ..recipes import Recipe

ROUNDS = 50  # of training
STOP = 23  # after which one is stopped and gone on with: a prime, so that what is renewed every few rounds is not just then renewed
PASSES = 20  # of a statistics model, at most
EXAMPLES = 2000  # of the data set, at most
STEPS = 8  # of a sampler that takes any number


def shortened(recipe: Recipe) -> Recipe:
    """For checks: few rounds, exact arithmetic, nothing beside the weights."""
    short = recipe.model_copy(deep=True)
    training, data = short.training, short.dataset
    training.steps, training.seed, training.precision, training.weights_dtype = ROUNDS, 0, "float32", "float32"
    training.preview_every, training.evaluate_every, training.checkpoint_every, training.log_every = 0, 0, 10 * ROUNDS, 1
    training.accumulate, training.ema_decay = 1, None  # a window that forgets the start, however few the rounds
    training.weight_decay = 0.0  # moves even what has no gradient
    for part in training.optimizers.values():
        part.weight_decay = None
    data.examples = min(data.examples or EXAMPLES, EXAMPLES)
    return short


def quick(sampler: Any) -> Any:
    """The sampler with few steps, where it takes any number of them."""
    from ..inference.sampling import with_options

    if not isinstance(getattr(sampler, "steps", None), int) or sampler.steps <= STEPS:
        return sampler
    try:
        return with_options(sampler, {"steps": STEPS})
    except UsageError:
        return sampler


def rounds(trainer: Any) -> Iterator[Any]:
    """Those that are left: all of them, or of passes as many as are tried."""
    return trainer.rounds(PASSES if trainer.statistical else None)  # type: ignore[no-any-return]


def snapshot(model: Any) -> dict[str, Tensor]:
    """A copy of its state."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def copied(groups: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    return {part: {name: tensor.detach().clone() for name, tensor in group.items()} for part, group in groups.items()}


@contextmanager
def one_thread() -> Iterator[None]:
    """Models that train in seconds only wait for more, and sums come out the same on every machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def no_downloads(folder: Path) -> Iterator[None]:
    """Data sets look for what they once downloaded in an empty folder."""
    before = os.environ.get("GENTK_DATA")
    os.environ["GENTK_DATA"] = str(folder / "data")
    try:
        yield
    finally:
        if before is None:
            del os.environ["GENTK_DATA"]
        else:
            os.environ["GENTK_DATA"] = before


def one_line(error: BaseException) -> str:
    """A message of gentk's errors. Raises Failure where it is none of one line."""
    text = str(error)
    if not text.strip() or "\n" in text:
        raise Failure(f"an error is to say in one line what is wrong, and says {text!r}")
    return text


class _Late(BaseException):
    """The time is up. No Exception, which a plugin might catch."""


@contextmanager
def within(seconds: float, where: str) -> Iterator[None]:
    """What takes longer than this is a Failure. Without a guard outside the main thread, and where somebody else has set the alarm."""
    if threading.current_thread() is not threading.main_thread() or any(signal.getitimer(signal.ITIMER_REAL)):
        yield
        return

    def ring(*_: Any) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Late:
        raise Failure(f"{where} it does not come to an end: it was stopped after {seconds:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
