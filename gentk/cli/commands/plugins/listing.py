"""gentk plugins, gentk plugins show"""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from ....host import PluginError
from ....host.lookup import host
from ...out import out


def plugins(ctx: typer.Context) -> None:
    """List the installed plugins: what each is, where it comes from, and whether it works."""
    if ctx.invoked_subcommand:
        return
    rows = [_row(name) for name in host().names()]
    out.result(rows, lambda: _table(rows) if rows else "no plugin is installed; gentk plugins search lists those that are published")
    if host().strict and any(r["status"] not in ("ok", "disabled") for r in rows):
        raise typer.Exit(1)


def show(name: Annotated[str, typer.Argument(metavar="NAME", help="An installed plugin.")]) -> None:
    """Everything about one plugin: where it comes from, what it needs, what it offers."""
    row = {**_row(name), **_offers(name)}
    out.result(row, lambda: _card(row))


def _row(name: str) -> dict[str, Any]:
    models: list[str] = []
    try:
        models = [m.name for m in host().ask("gentk_models", name)]
    except PluginError:
        if name not in host().plugins:
            raise
    plugin = host().plugins[name]
    o = plugin.origin
    return {"name": name, "status": plugin.status, "reason": plugin.reason, "distribution": o.distribution, "version": o.version,
            "editable": o.editable, "location": o.location, "models": models}  # fmt: skip


def _offers(name: str) -> dict[str, Any]:
    """Its requirement on gentk, and the names of what it offers beside models; `weights`: the recipes that come with some."""
    dist = host().plugins[name].entry_points[0].dist
    wants = [text for text in (dist.requires if dist else None) or () if re.match(r"gentk[-_.]core(?![\w.-])", text, re.I)]
    found: dict[str, Any] = {"requires": wants}
    for kind in KINDS:
        try:
            specs = host().ask(f"gentk_{kind}", name)
        except PluginError:
            specs = []
        found[kind] = [spec.name for spec in specs]
        if kind == "recipes":
            found["weights"] = [spec.name for spec in specs if spec.weights]
    return found


def _card(row: dict[str, Any]) -> Any:
    """A line per fact; what is empty is left out."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column(overflow="fold")
    origin = f"{row['distribution']} {row['version']}{' (editable)' if row['editable'] else ''}"
    lines = {"plugin": row["name"], "status": row["status"], "reason": row["reason"], "from": origin, "location": row["location"]}
    for key, value in {**lines, **{key: ", ".join(row[key]) for key in ("requires", "models", "recipes", "weights", *KINDS[1:])}}.items():
        if value:
            table.add_row(key, Text(value, STYLE[value] if key == "status" else ""))
    return table


KINDS = ("recipes", "datasets", "samplers", "schedules", "metrics", "featurizers", "modalities", "importers")
STYLE = {"ok": "green", "disabled": "dim", "failed": "red", "incompatible": "yellow", "conflict": "red"}


def _table(rows: list[dict[str, Any]]) -> Any:
    """One line per plugin; what went wrong stands below, where it has room."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("plugin", "status", "from", "models"):
        table.add_column(head, overflow="fold")
    for r in rows:
        origin = Text(f"{r['distribution']} {r['version']}{' (editable)' if r['editable'] else ''}")
        table.add_row(Text(r["name"], "bold"), Text(r["status"], STYLE[r["status"]]), origin, Text(", ".join(r["models"])))
    notes = [Text.assemble((r["name"], "bold"), f" is {r['status']}: {r['reason']}") for r in rows if r["reason"]]
    return Group(table, *([Text("")] if notes else []), *notes)
