"""gentk pull"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..out import out

if TYPE_CHECKING:
    from ...weights.pull import Pulled

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def pull(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="A repository of the Hub: USER/REPO or USER/REPO@REVISION.")],
    target: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="A new folder. \\[default: ./REPO]")] = None,
) -> None:
    """Fetch weights from the Hub into a folder: numbers, card, recipe, preview.

    Every file is compared with what the Hub says of it. To draw from weights of the Hub no folder is needed: --weights USER/REPO.
    """
    from ...weights.pull import pulled

    done = pulled(weights, target)
    data = {"weights": str(done.folder), "repo": done.repo, "sha": done.sha, "files": list(done.files), "bytes": done.bytes}
    out.result(data | {"note": done.note}, lambda: people(done))


def people(done: Pulled) -> str:
    from rich.markup import escape

    lines = [f"{done.folder}: {len(done.files)} files, {done.bytes / 1e6:.2f} MB, of {done.repo} at {done.sha[:12]}"]
    lines.append(f"note: {done.note}" if done.note else f"gentk sample --weights {done.folder}")
    return escape("\n".join(lines))
