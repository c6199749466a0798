"""gentk plugins check"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from ... import choices
from ...out import out

if TYPE_CHECKING:
    from ....testing.registry import Result, Status
    from ....testing.suite import Case

EVERY = 5.0
STYLE = {"passed": "green", "xfailed": "cyan", "skipped": "yellow", "failed": "red"}
ORDER: tuple[Status, ...] = ("passed", "xfailed", "skipped", "failed")


def check(
    name: Annotated[str, Argument(metavar="NAME", help="The plugin.", autocompletion=choices.plugins)],
    only: Annotated[list[str], Option(metavar="CHECK", help="Only this check; may be given again.")] = [],
    model: Annotated[str | None, Option(metavar="NAME", help="Only the checks of this model.")] = None,
) -> None:
    """Check that a plugin keeps its promises: one result for each check and everything it applies to.

    Models are tried with a short training, without a network; nothing is written outside a temporary folder. The exit code is 1 where
    anything failed. In tests, pytest --gentk NAME runs the same checks.
    """
    from ....testing.suite import Suite, results

    suite = Suite(name)
    try:
        cases, start = suite.select(only, model), time.monotonic()
        found = list(results(suite, _told(cases, f"checking {name}")))
    finally:
        suite.close()
    about, counts = _origin(name), count(found)
    data = {"plugin": name, **about, "summary": counts, "checks": [vars(result) for result in found]}
    title = f"{name} ({about['distribution']} {about['version']})"
    out.result(data, lambda: _people(title, found, counts, time.monotonic() - start))
    if counts["failed"]:
        raise typer.Exit(1)


def _origin(name: str) -> dict[str, str]:
    from ....host import lookup

    origin = lookup.host().plugins[name].origin
    return {"distribution": origin.distribution, "version": origin.version}


def count(found: Iterable[Result]) -> dict[str, int]:
    """How many were run, and how many of each status there are."""
    by = Counter(result.status for result in found)
    return {"run": by.total() - by["skipped"], **{status: by[status] for status in ORDER}}


def _told(cases: list[Case], title: str) -> Iterator[Case]:
    """The cases, each said on stderr when its turn comes: a bar on a terminal, a line every few seconds elsewhere."""
    if sys.stderr.isatty():
        yield from _bar(cases, title)
        return
    last = time.monotonic()
    for i, case in enumerate(cases):
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            print(f"{title}: {i} of {len(cases)}, now {case.title}", file=sys.stderr, flush=True)
        yield case


def _bar(cases: list[Case], title: str) -> Iterator[Case]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("[dim]{task.fields[now]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task(escape(title), total=len(cases), now="")
        for case in cases:
            bar.update(task, now=escape(case.title))
            yield case
            bar.advance(task)


def _people(title: str, found: list[Result], counts: dict[str, int], seconds: float) -> Any:
    """A row per check with what came of its subjects; below, a line for whatever did not pass, with its reason."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("check", no_wrap=True)
    for status in ORDER:
        table.add_column(status, justify="right")
    by: dict[str, Counter[Status]] = defaultdict(Counter)
    for result in found:
        by[result.check][result.status] += 1
    for id, counted in by.items():
        table.add_row(id, *(f"[{STYLE[status]}]{counted[status]}[/]" if counted[status] else "" for status in ORDER))
    notes = [Text.assemble((status, STYLE[status]), f"  {about}: {reason}") for status, about, reason in _notes(found)]
    summary = ", ".join(f"{counts[status]} {status}" for status in ORDER)
    end = Text(f"{title}: {counts['run']} run, {summary} in {seconds:.0f} s ({sum(result.cpu for result in found):.0f} s of CPU)")
    return Group(table, Text(""), *notes, *([Text("")] if notes else []), end)


def _notes(found: list[Result]) -> list[tuple[Status, str, str]]:
    """What did not pass: status, `check, check[subject, subject]`, reason. Those of one reason are told together."""
    ids: dict[tuple[Status, str, str], list[str]] = defaultdict(list)
    for result in found:
        if result.status != "passed":
            ids[result.status, result.reason, result.subject].append(result.check)
    subjects: dict[tuple[Status, str, str], list[str]] = defaultdict(list)
    for (status, reason, subject), checks in ids.items():
        subjects[status, ", ".join(checks), reason].append(subject)
    rows = [(status, f"{checks}[{', '.join(names)}]", reason) for (status, checks, reason), names in subjects.items()]
    return sorted(rows, key=lambda row: ORDER.index(row[0]))
