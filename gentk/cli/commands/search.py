"""gentk search"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..out import out

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def search(
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="What the name holds. \\[default: anything]", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
) -> None:
    """Search the Hub for weights: what has the tag gentk, the most downloaded first."""
    from dataclasses import asdict

    from ...weights import hub

    found = [asdict(row) for row in hub.search(text, limit)]
    out.result(found, lambda: people(found, text))


def people(found: list[dict[str, Any]], text: str) -> Any:
    from rich.markup import escape

    from .listings import table

    rows = [{**{key: str(value) for key, value in row.items()}, "installed": "yes" if row["installed"] else "no"} for row in found]
    nothing = f"no weights on the Hub have '{text}' in their name" if text else "no weights on the Hub have the tag gentk"
    return table(rows, escape(nothing))
