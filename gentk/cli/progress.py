"""Sampling as it goes: a bar on a terminal, a line every few seconds elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..protocols import Step

EVERY = 5.0
Advance = Callable[["Step", int], None]


@contextmanager
def progress(title: str, n: int, *, silent: bool = False) -> Iterator[Advance]:
    """Yields a function to be told each step and the first sample of its batch. Progress is counted in samples × share of steps."""
    if silent:
        yield lambda step, first: None
    else:
        yield from _bar(title, n) if sys.stderr.isatty() else _lines(title, n)


def _done(step: Step, first: int) -> float:
    from ..inference.sampling import as_batch

    rows = len(next(iter(as_batch(step.x).values())))
    return first + rows * step.index / max(step.total, 1)


def _bar(title: str, n: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.1f} samples/s" if speed else "", style="dim")

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("[dim]{task.fields[where]}"), Rate(),
               TimeRemainingColumn(compact=True, elapsed_when_finished=True))  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task(escape(title), total=n, where="loading")

        def advance(step: Step, first: int) -> None:
            bar.update(task, completed=_done(step, first), where=f"step {step.index}/{step.total}")

        yield advance


def _lines(title: str, n: int) -> Iterator[Advance]:
    start = last = time.monotonic()

    def advance(step: Step, first: int) -> None:
        nonlocal last
        now, done = time.monotonic(), _done(step, first)
        if now - last >= EVERY and done:
            last, rate = now, done / (now - start)
            left = (n - done) / rate
            print(f"{title}: step {step.index}/{step.total}, {done:.0f} of {n} samples, {left:.0f} s left", file=sys.stderr, flush=True)

    yield advance
