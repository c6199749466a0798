"""gentk plugins"""

from __future__ import annotations

from typing import Any

import typer

from ..host import PluginError
from ..host.lookup import host
from .out import out

app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich", add_completion=False)


@app.callback()
def plugins(ctx: typer.Context) -> None:
    """List the installed plugins: what each is, where it comes from, and whether it works."""
    if ctx.invoked_subcommand:
        return
    rows = [_row(name) for name in host().names()]
    out.result(rows, lambda: _table(rows))
    if host().strict and any(r["status"] not in ("ok", "disabled") for r in rows):
        raise typer.Exit(1)


@app.command()
def show(name: str) -> None:
    """Everything about one plugin."""
    row = _row(name)
    out.result(row, lambda: "\n".join(f"[dim]{k:>12}[/]  {v}" for k, v in row.items()))


@app.command()
def freeze() -> None:
    """The installed plugins as requirements."""
    rows = [f"{o.distribution}=={o.version}" for p in host().plugins.values() for o in [p.origin]]
    out.result(rows, lambda: "\n".join(rows))


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
        style = STYLE[r["status"]]
        origin = f"{r['distribution']} {r['version']}{' (editable)' if r['editable'] else ''}"
        table.add_row(f"[bold]{r['name']}[/]", f"[{style}]{r['status']}[/]", origin, ", ".join(r["models"]))
    notes = [Text.assemble((r["name"], "bold"), f" is {r['status']}: {r['reason']}") for r in rows if r["reason"]]
    return Group(table, *([Text("")] if notes else []), *notes)
