"""What training looks like while it runs: lines that stay, no log that scrolls away."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

EVERY = 5.0
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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.table import Table
    from rich.text import Text

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("[dim]{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("[dim]left"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, expand=True)
    task = bar.add_task(escape(title), total=total, completed=since, rate="")
    history: list[float] = []
    seen: dict[str, float] = {}
    start = time.monotonic()
    console = Console(stderr=True)
    with Live(console=console, refresh_per_second=8, transient=False) as live:

        def show(step: int, logs: Mapping[str, float]) -> None:
            seen.update(logs)
            if (value := curve_of(logs)) is not None:
                history.append(value)
            bar.update(task, completed=step, rate=f"{(step - since) / (time.monotonic() - start):.1f} it/s")
            numbers = "   ".join(f"[dim]{escape(k)}[/] {v:.4g}" for k, v in seen.items())
            grid = Table.grid(padding=(0, 2))
            grid.add_row("[dim]loss[/]", Text(sparkline(history, console.width - 12), style="cyan"))
            live.update(Group(bar, Text.from_markup(numbers), grid, Text(f"{folder}", style="dim")))

        yield show


def curve_of(logs: Mapping[str, float]) -> float | None:
    """The value to follow: the loss, or the first one that is called so."""
    for name, value in logs.items():
        if name.endswith(("loss", "log_likelihood")) and math.isfinite(value):
            return value
    return None


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
    start = last = time.monotonic()
    print(f"{title}: {total - since} steps, into {folder}", file=sys.stderr, flush=True)

    def show(step: int, logs: Mapping[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= EVERY or step == total:
            last = now
            rate = (step - since) / max(now - start, 1e-9)
            numbers = " ".join(f"{k}={v:.4g}" for k, v in logs.items())
            print(f"{title}: step {step}/{total} {numbers} {rate:.1f} it/s {(total - step) / rate:.0f} s left", file=sys.stderr, flush=True)

    yield show
