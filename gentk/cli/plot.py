"""gentk plot KIND …"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from ..errors import UsageError
from ..host import lookup
from . import choices
from .drawing import fresh
from .out import out

app = typer.Typer(add_completion=False, rich_markup_mode="rich", no_args_is_help=True, help="Draw a picture of data or of a run.")
Out = Annotated[Path | None, Option("--out", metavar="FILE", help="Where to. \\[default: a new file here]")]


@app.command()
def data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set of `gentk datasets`.", autocompletion=choices.datasets)],
    n: Annotated[int | None, Option("-n", min=1, help="How many examples. \\[default: 16 pictures, 2000 points]")] = None,
    split: Annotated[str, Option(metavar="NAME", help="Which part of the data set.")] = "train",
    option: Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="An option of the data set.")] = [],
    out_: Out = None,
) -> None:
    """Show examples of a data set."""
    from rich.markup import escape

    from .sample import pairs

    spec, _ = lookup.dataset_spec(name)
    if out_ and spec.modality:
        lookup.modality(spec.modality).check_path(out_)  # before anything is downloaded
    dataset = lookup.dataset(name, split, pairs(option, {}))
    kind = lookup.modality(dataset.spec.modality)  # of `npz:PATH`, only the file knows what it holds
    path = out_ or fresh(f"{spec.name}-{split}{kind.default_suffix}")
    kind.check_path(path)
    from ..training.order import fetch
    from ..training.report import PREVIEWS

    count = min(n or PREVIEWS.get(dataset.spec.modality, 16), len(dataset))
    kind.save(fetch(dataset, range(count)), dataset.spec, path)
    shown: dict[str, Any] = {"file": str(path), "dataset": name, "split": split, "examples": len(dataset), "shown": count}
    out.result(shown, lambda: escape(f"{path}  {count} of {len(dataset):,} examples of {name} ({split})"))


@app.command()
def loss(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `gentk train` made.")],
    out_: Out = None,
) -> None:
    """Draw the loss of a run, training and validation."""
    from rich.markup import escape

    from ..runs import Run

    found = Run(run)
    if not found.log():
        raise UsageError(f"{run} holds no run with a log")
    from ..training.report import loss_picture

    path = out_ or fresh(f"{run.resolve().name}-loss.png")
    lookup.modality("image").check_path(path)
    loss_picture(found, path)
    out.result({"file": str(path)}, lambda: escape(str(path)))
