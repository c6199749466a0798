"""What training looks like while it runs: lines that stay, no log that scrolls away."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..training.pace import Pace

EVERY = 5.0
FRAME = 0.1  # seconds between two pictures: training goes on for as long as nobody could see a change
TICKS = "▁▂▃▄▅▆▇█"
Show = Callable[[int, Mapping[str, float]], None]


@contextmanager
def view(title: str, total: int, folder: Path, *, since: int = 0, silent: bool = False) -> Iterator[Show]:
    """Yields a function to be told each step and what it logged."""
    if silent:
        yield lambda step, logs: None
    else:
        yield from _live(title, total, folder, since) if sys.stderr.isatty() else _lines(title, total, folder, since)


def _live(title: str, total: int, folder: Path, since: int) -> Iterator[Show]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Table
    from rich.text import Text

    from ..training.pace import Pace

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("[dim]{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[left]}"),
    )
    bar = Progress(*columns, expand=True)
    task = bar.add_task(escape(title), total=total, completed=since, rate="", left="")
    curve, pace, drawn = Curve(), Pace(), -math.inf
    unread: list[Mapping[str, float]] = []  # reading a value may wait for a device, so it is left to the next picture
    seen: dict[str, float] = {}  # the last value of each: a phase that does not run in every round is still shown
    console = Console(stderr=True)
    with Live(console=console, refresh_per_second=8, transient=False) as live:

        def show(step: int, logs: Mapping[str, float]) -> None:
            nonlocal drawn
            now = time.monotonic()
            pace.tick(now)
            unread.append(logs)
            if now - drawn < FRAME and step < total:
                return
            drawn = now
            for each in unread:
                seen.update(each)
                curve.add(curve_of(each))
            unread.clear()
            bar.update(task, completed=step, rate=rate_of(pace), left=left_of(pace, total - step))
            numbers = "   ".join(f"[dim]{escape(k)}[/] {v:.4g}" for k, v in seen.items())
            grid = Table.grid(padding=(0, 2))
            grid.add_row("[dim]loss[/]", Text(sparkline(curve.means, console.width - 12), style="cyan"))
            live.update(Group(bar, Text.from_markup(numbers), grid, Text(f"{folder}", style="dim")))

        yield show


def rate_of(pace: Pace) -> str:
    """ "12.3 it/s"; empty while it is too early to say."""
    return f"{rate:.1f} it/s" if (rate := pace.per_second) else ""


def left_of(pace: Pace, rounds: int) -> str:
    """ "1:02:03 left"; empty while it is too early to say."""
    from datetime import timedelta

    return "" if (left := pace.left(rounds)) is None else f"{timedelta(seconds=round(left))} left"


def curve_of(logs: Mapping[str, float]) -> float | None:
    """The value to follow: the loss, or the first one that is called so."""
    for name, value in logs.items():
        if name.endswith(("loss", "log_likelihood")) and math.isfinite(value):
            return value
    return None


class Curve:
    """A history of any length, in at most `MOST` means of equally many values."""

    MOST = 2048

    def __init__(self) -> None:
        self.means: list[float] = []
        self.span, self.open = 1, list[float]()

    def add(self, value: float | None) -> None:
        if value is None:
            return
        self.open.append(value)
        if len(self.open) == self.span:
            self.means.append(sum(self.open) / self.span)
            self.open = []
        if len(self.means) == self.MOST:
            self.means = [(a + b) / 2 for a, b in zip(self.means[::2], self.means[1::2], strict=True)]
            self.span *= 2


def sparkline(values: list[float], width: int) -> str:
    """The whole history in at most `width` characters, from its lowest to its highest mean."""
    if not values:
        return ""
    size = max(1, -(-len(values) // max(width, 1)))
    means = [sum(part) / len(part) for i in range(0, len(values), size) if (part := values[i : i + size])]
    if min(means) > 0:
        means = [math.log(m) for m in means]
    low, high = min(means), max(means)
    return "".join(TICKS[int(7 * (m - low) / ((high - low) or 1))] for m in means)


def _lines(title: str, total: int, folder: Path, since: int) -> Iterator[Show]:
    from ..training.pace import Pace

    last, pace, seen = time.monotonic(), Pace(), dict[str, Mapping[str, float]]()
    print(f"{title}: {total - since} steps, into {folder}", file=sys.stderr, flush=True)

    def show(step: int, logs: Mapping[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        pace.tick(now)
        seen.update(dict.fromkeys(logs, logs))
        if now - last >= EVERY or step == total:
            last = now
            numbers = " ".join(f"{name}={found[name]:.4g}" for name, found in seen.items())
            words = f"{title}: step {step}/{total} {numbers} {rate_of(pace)} {left_of(pace, total - step)}"
            print(words.rstrip(), file=sys.stderr, flush=True)

    yield show
