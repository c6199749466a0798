"""What takes a while, as it goes: a bar on a terminal, a line every few seconds elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..stages import Told, heard

SOON, EVERY = 2.0, 5.0
"""Seconds until anything is shown, and from one line to the next."""


@contextmanager
def waiting(title: str) -> Iterator[Told]:
    """Shows how far what is done inside has come: by its stages (`gentk.stages`), and by what the function that it yields is told."""
    with (_bar if sys.stderr.isatty() else _lines)(title) as told, heard(told):
        yield told


@contextmanager
def _bar(title: str) -> Iterator[Told]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TaskProgressColumn(),
               TimeRemainingColumn(compact=True, elapsed_when_finished=True))  # fmt: skip
    start = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task(escape(title), total=1.0, visible=False)
        yield lambda share: bar.update(task, completed=share, visible=time.monotonic() - start > SOON)


@contextmanager
def _lines(title: str) -> Iterator[Told]:
    start = time.monotonic()
    due = start + SOON

    def told(share: float) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due and 0 < share < 1:
            due = now + EVERY
            print(f"{title}: {share:.0%}, {(1 - share) * (now - start) / share:.0f} s left", file=sys.stderr, flush=True)

    yield told
