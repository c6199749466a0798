"""gentk inspect"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..weights.names import bundled, locate
from ..weights.safety import read_config, read_header
from .out import out
from .subject import DEFAULT

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def inspect(
    weights: Annotated[
        str | None, typer.Argument(metavar="WEIGHTS", help="A folder or run, a plugin, or PLUGIN/RECIPE. \\[default: ddpm]")
    ] = None,
) -> None:
    """Say what a folder of weights holds: model, config, data, conditions, sampler, size."""
    found = locate(weights) if weights else bundled(DEFAULT)
    config, header = read_config(found.folder), read_header(found.folder)
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
    out.result(data, lambda: people(data))


def people(data: dict[str, Any]) -> Any:
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
        ("needs", ", ".join(f"{k}{v}" for k, v in data["requires"].items())),
    ):
        table.add_row(key, escape(value))
    return table
