"""gentk inspect"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ...distribution import NAME
from ...errors import UsageError
from ...weights.config import distributions
from ...weights.hub import complete
from ...weights.names import bundled, locate
from ...weights.safety import read_config, read_header
from ..out import out
from ..subject import DEFAULT

MOST = 16  # of a list's items that people are shown; --json has all

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def inspect(
    weights: Annotated[
        str | None,
        typer.Argument(metavar="WEIGHTS", help="A folder or run, a plugin, PLUGIN/RECIPE, or USER/REPO of the Hub. \\[default: ddpm]"),
    ] = None,
    facts: Annotated[bool, typer.Option("--facts", help="What the numbers mean, in the model's own terms. Loads them.")] = False,
) -> None:
    """Say what a folder of weights holds: model, config, data, conditions, sampler, size; with --facts, what the model found."""
    found = locate(weights) if weights else bundled(DEFAULT)
    if facts:
        told = facts_of(found.folder, found.title)
        out.result({"weights": found.title, "facts": told}, lambda: readable(told))
        return
    config, header = read_config(found.folder), read_header(complete(found.folder))
    data: dict[str, Any] = {
        "weights": found.title,
        "folder": str(found.folder),
        **{
            key: config[key]
            for key in ("plugin", "model", "requires", "config", "data", "conditions", "sampler", "recipe")
            if key in config
        },
        "latents": config["latents"]["model"] if config.get("latents") else None,
        "parameters": header.parameters,
        "bytes": header.bytes,
        "dtypes": header.dtypes,
    }
    out.result(data, lambda: people(data, distributions(config)))


def people(data: dict[str, Any], needs: Sequence[str]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column(overflow="fold")
    spec = data["data"]
    leaves = {name: leaf["shape"] for name, leaf in spec["leaves"].items()}
    for key, value in (
        ("weights", f"{data['weights']}  {data['folder']}"),
        ("model", f"{data['plugin']}/{data['model']}" + (f" on the latents of {data['latents']}" if data["latents"] else "")),
        ("data", f"{spec['modality']}: " + ", ".join(f"{k} {'×'.join(map(str, v)) or 'scalar'}" for k, v in leaves.items())),
        ("conditions", ", ".join(f"{k} ({c['kind']})" for k, c in data["conditions"].items()) or "none"),
        ("sampler", " ".join([data["sampler"].get("name", ""), *(f"{k}={v}" for k, v in data["sampler"].get("options", {}).items())])),
        ("size", f"{data['parameters']:,} numbers, {data['bytes'] / 1e6:.2f} MB, {', '.join(data['dtypes'])}"),
        ("config", ", ".join(f"{k}={v}" for k, v in data["config"].items())),
        ("needs", ", ".join(f"{k}{data['requires'].get(k, '')}" for k in (NAME, *needs))),
    ):
        table.add_row(key, escape(value))
    return table


def facts_of(folder: Path, title: str) -> dict[str, Any]:
    """What the model says of its numbers, as JSON. Raises UsageError where it says nothing."""
    from ...weights.folder import read

    model = read(folder)
    if not hasattr(model, "facts"):
        raise UsageError(f"{title} has no facts to tell: what {type(model).__name__} has learned is not a few numbers that mean something")
    return dict(model.facts())


def readable(facts: Mapping[str, Any]) -> Any:
    """A row per fact; a matrix as its rows."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column(overflow="fold")
    for key, value in facts.items():
        table.add_row(key.replace("_", " "), escape(shown(value)))
    return table


def shown(value: Any) -> str:
    """One fact: a list in one line, a matrix in its rows, its columns aligned, names before what they name. Of much, the beginning."""
    if isinstance(value, Mapping):
        told = [(key, shown(item)) for key, item in value.items()]
        return "\n".join(f"{key}:\n{indented(text)}" if "\n" in text else f"{key}: {text}" for key, text in told)
    if not is_list(value):
        return one(value)
    items, rest = value[:MOST], [f"… {len(value)} in all"] if len(value) > MOST else []
    if items and all(is_list(item) and not any(is_list(v) or isinstance(v, Mapping) for v in item) for item in items):
        cells = [[one(v) for v in item[:MOST]] for item in items]
        width = max((len(cell) for row in cells for cell in row), default=0)
        wide = " …" if len(items[0]) > MOST else ""
        return "\n".join([*("  ".join(cell.rjust(width) for cell in row) + wide for row in cells), *rest])
    texts = [shown(item) for item in items]
    apart = "\n\n" if any("\n" in text for text in texts) else "\n" if any(map(is_list, items)) else "  "
    return apart.join([*texts, *rest])


def indented(text: str) -> str:
    return "\n".join("  " + line for line in text.split("\n"))


def one(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
