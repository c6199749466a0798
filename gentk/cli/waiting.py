"""What takes a while, as it goes: a bar on a terminal, a line every few seconds elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..protocols import Step

SOON, EVERY = 2.0, 5.0
"""Seconds until the first line, and from one to the next."""


@contextmanager
def waiting(title: str, total: int, what: str) -> Iterator[Callable[[float], None]]:
    """Yields a function to be told how many of `total` (samples, points) are done by now."""
    yield from _bar(title, total, what) if sys.stderr.isatty() else _lines(title, total, what)


def drawn(tell: Callable[[float], None]) -> Callable[[Step, int], None]:
    """What `gentk.sample` is to call at each step, for a function that wants to know how many samples are done."""

    def advance(step: Step, first: int) -> None:
        from ..sampling import as_batch

        tell(first + len(next(iter(as_batch(step.x).values()))) * step.index / max(step.total, 1))

    return advance


def _bar(title: str, total: int, what: str) -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("[dim]{task.percentage:.0f} % of {task.fields[of]}"),
               TimeRemainingColumn(compact=True, elapsed_when_finished=True))  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task(escape(title), total=total, of=f"{total:,} {what}")
        yield lambda done: bar.update(task, completed=done)


def _lines(title: str, total: int, what: str) -> Iterator[Callable[[float], None]]:
    start = time.monotonic()
    due = start + SOON

    def tell(done: float) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due and 0 < done < total:
            due = now + EVERY
            left = (total - done) * (now - start) / done
            print(f"{title}: {done:,.0f} of {total:,} {what}, {left:.0f} s left", file=sys.stderr, flush=True)

    yield tell
