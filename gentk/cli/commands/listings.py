"""gentk models | recipes | datasets | samplers | schedules | metrics | featurizers"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from ...host import lookup
from ...text import one_line
from ..out import out
from .options import WHERE, show

COLUMNS: dict[str, Callable[[Any], dict[str, str]]] = {
    "models": lambda s: {"summary": s.summary, "paper": s.paper},
    "recipes": lambda s: {"weights": "yes" if s.weights else "", "summary": s.summary},
    "datasets": lambda s: {"modality": s.modality, "splits": " ".join(s.splits), "summary": s.summary},
    "samplers": lambda s: {"summary": s.summary, "paper": s.paper},
    "schedules": lambda s: {"summary": s.summary, "paper": s.paper},
    "metrics": lambda s: {"of": " ".join(s.modalities), "needs": " ".join(s.needs), "summary": s.summary, "paper": s.paper},
    "featurizers": lambda s: {"default for": " ".join((*s.datasets, *s.modalities)), "summary": s.summary, "paper": s.paper},
}


def rows(kind: str) -> list[dict[str, str]]:
    """What the core and every usable plugin offer of a kind."""
    core = {} if kind == "models" else lookup.specs(kind, lookup.CORE)  # its model only stands in front of others
    mine = [("gentk", spec) for spec in core.values()]
    theirs = [(plugin.name, spec) for plugin, spec in lookup.host().ask_all(f"gentk_{kind}")]
    return [{kind[:-1]: shown(kind, spec), "plugin": owner, **COLUMNS[kind](spec)} for owner, spec in [*mine, *theirs]]


def shown(kind: str, spec: Any) -> str:
    """The name as it is given on a command line."""
    argument = getattr(spec, "argument", None)
    return f"{spec.name}:{argument.upper()}" if argument else str(spec.name)


def _listing(kind: str) -> typer.Typer:
    app = typer.Typer(add_completion=False, invoke_without_command=kind in WHERE)

    def listed() -> None:
        found = rows(kind)
        out.result(found, lambda: table(found, f"no plugin offers {kind}"))

    listed.__doc__ = f"List {kind}."
    if kind not in WHERE:
        app.command()(listed)
        return app

    def either(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            listed()

    either.__doc__ = f"List {kind}; or show the options of one."
    app.callback(invoke_without_command=True)(either)

    def one(name: Annotated[str, typer.Argument(metavar="NAME", help="Which one.")]) -> None:
        show(kind, name)

    one.__doc__ = "Its options, with type, default and meaning."
    app.command("show")(one)
    return app


def table(found: list[dict[str, Any]], nothing: str = "") -> Any:
    from rich.table import Table
    from rich.text import Text

    if not found:
        return nothing
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for i, head in enumerate(found[0]):
        shown.add_column(head, overflow="fold", no_wrap=i < 2, style="bold" if i == 0 else "")
    for row in found:
        shown.add_row(*(Text(one_line(value)) for value in row.values()))
    return shown


models_app, recipes_app, datasets_app, samplers_app, schedules_app, metrics_app, featurizers_app = map(_listing, COLUMNS)
