"""gentk compare"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from ...errors import UsageError
from .. import choices
from ..out import out
from ..waiting import waiting
from .evaluate import Beside, Features, Split, Wanted

if TYPE_CHECKING:
    from ...evaluation.comparing import Comparison

DEFAULT = Path("compare.html")
Several = Annotated[
    list[str], Argument(metavar="WEIGHTS", help="Two or more: a folder or run, a plugin, PLUGIN/RECIPE, or USER/REPO of the Hub.")
]

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(no_args_is_help=True)
def compare(
    which: Several = [],
    families: Annotated[
        bool, Option("--families", help="The classic table of families, from the figures of all shipped weights; nothing is measured.")
    ] = False,
    reference: Beside = None,
    split: Split = "test",
    metrics: Wanted = [],
    featurizer: Features = None,
    n: Annotated[int, Option("-n", min=2, help="How many samples of each.")] = 1000,
    seed: Annotated[int, Option(min=0, max=2**63, help="Of the samples.")] = 0,
    shown: Annotated[int | None, Option(min=1, help="How many samples of each are shown. \\[default: 16; of points 1000]")] = None,
    device: choices.Device = "auto",
    cached: Annotated[bool, Option("--cache/--no-cache", help="Keep samples and features, and use those that are kept.")] = True,
    out_: Annotated[
        list[Path],
        Option("--out", metavar="FILE", help="Format by suffix: .html .md .png .csv .json; may be repeated. \\[default: compare.html]"),
    ] = [],
) -> None:
    """Measure several models beside the same real examples: scores with errors and ranks, what the models cost, and their samples.

    Samples of equal seeds and labels are shown side by side. The reference is, by default, what the first weights were trained on.
    """
    if families:
        classic(which, reference, out_)
        return
    from ...distributed import Ranks
    from ...evaluation.comparing import compared
    from ...report.writing import check, write

    paths = files(out_ or [DEFAULT])
    check(paths)
    names = [name for text in metrics for name in text.split(",") if name]
    with waiting(f"comparing {', '.join(which)}"):
        found = compared(
            which, reference=reference, split=split, metrics=names, featurizer=featurizer, n=n, seed=seed, shown=shown, device=device,
            cached=cached,
        )  # fmt: skip
    if not Ranks().first:
        return
    write(found, paths)
    report(found, paths)


def classic(which: Sequence[str], dataset: str | None, given: Sequence[Path]) -> None:
    """Families side by side, on the screen or as Markdown. Raises UsageError."""
    from ...evaluation.families import kin
    from ...files import replacing
    from ...modalities.base import writable
    from ...report import families

    if which:
        raise UsageError("--families compares all shipped weights: leave out their names")
    if wrong := [path for path in given if path.suffix.lower() != ".md"]:
        raise UsageError(f"{wrong[0]}: the families are written as .md")
    for path in given:
        writable(path)
    found = kin(dataset)
    for path in given:
        with replacing(path) as temporary:
            temporary.write_text(families.markdown(found), "utf-8")
    told = {name: [dict(zip(families.HEAD, row, strict=True)) for row in families.rows(them)] for name, them in found.items()}
    out.result({"families": told, "files": [str(path) for path in given]}, lambda: tables(told, families.READING))


def tables(told: dict[str, list[dict[str, str]]], reading: str) -> Any:
    from rich.console import Group
    from rich.text import Text

    from .listings import table

    parts: list[Any] = []
    for dataset, rows in told.items():
        parts += [Text(f"on {dataset}", "bold"), table(rows), Text("")]
    return Group(*parts, Text(reading, "dim"))


def files(given: Sequence[Path]) -> list[Path]:
    """The files to write. One of them may be `-`, stdout, which gets the page. Raises UsageError."""
    if sum(str(path) == "-" for path in given) > 1:
        raise UsageError("--out - stands twice on the line, and there is one stdout")
    return [out.target(path, DEFAULT.name) for path in given]


def report(found: Comparison, paths: Sequence[Path]) -> None:
    from ...report.formats import told

    data = {**told(found), "files": [str(path) for path in paths]}
    out.result(data, lambda: people(found, paths))


def people(found: Comparison, paths: Sequence[Path]) -> Any:
    """A row per score, a column per model; where the page is."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from ...report import notes, numbers
    from ...report.table import BETTER, columns_of, rows_of

    rows = rows_of(found)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("metric")
    table.add_column("floor", justify="right")
    for row in rows:
        table.add_column(Text(row.name), justify="left", overflow="fold")
    for j, column in enumerate(columns_of(found)):
        cells = [row.cells[j] for row in rows]
        lines = [Text(f"{cell.value or '–'}  {numbers.place(cell.rank)}".rstrip(), "bold" if cell.best else "") for cell in cells]
        floor = numbers.value(column.floor) if column.floor is not None else ""
        table.add_row(Text(f"{column.name} {column.unit}".rstrip() + f", {BETTER[column.better]}"), floor, *lines)
    costs = [(row.entry.cost.parameters, row.entry.result.seconds) for row in rows]
    table.add_row("parameters", "", *(numbers.count(parameters) for parameters, _ in costs))
    table.add_row("a sample takes", "", *(numbers.duration(seconds) or "–" for _, seconds in costs))
    said = [f"behind each value ± one standard error: its rank, and where it may lie; {notes.subject(found)}", *map(str, paths)]
    return Group(table, Text(""), *(Text(line, "dim") for line in said))
