"""gentk plot data | schedule | loss: what needs no model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from ....errors import UsageError
from ....host import lookup
from ... import choices
from ...drawing import target
from ...out import out
from .looks import Out, done, picture_path


def data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set of `gentk datasets`.", autocompletion=choices.datasets)],
    n: Annotated[int | None, Option("-n", min=1, help="How many examples. \\[default: 16 pictures, 2000 points]")] = None,
    split: Annotated[str, Option(metavar="NAME", help="Which part of the data set.")] = "train",
    option: Annotated[list[str], Option("-o", metavar="KEY=VALUE", help="An option of the data set.")] = [],
    out_: Out = None,
) -> None:
    """Show examples of a data set."""
    from rich.markup import escape

    from ..sample import pairs

    spec, _ = lookup.dataset_spec(name)
    if out_ and spec.modality:
        lookup.modality(spec.modality).check_path(out_)  # before anything is downloaded
    dataset = lookup.dataset(name, split, pairs(option, {}))
    kind = lookup.modality(dataset.spec.modality)  # of `npz:PATH`, only the file knows what it holds
    path = target(out_, f"{spec.name}-{split}{kind.default_suffix}")
    kind.check_path(path)
    from ....training.order import fetch, some
    from ....weights.preview import PREVIEWS

    count = min(n or PREVIEWS.get(dataset.spec.modality, 16), len(dataset))
    kind.save(fetch(dataset, some(len(dataset), count)), dataset.spec, path)
    shown: dict[str, Any] = {"file": str(path), "dataset": name, "split": split, "examples": len(dataset), "shown": count}
    out.result(shown, lambda: escape(f"{path}  {count} of {len(dataset):,} examples of {name} ({split})"))


def schedule(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Schedules of `gentk schedules`. \\[default: all that need no options]",
            autocompletion=choices.schedules,
        ),
    ] = None,
    out_: Out = None,
) -> None:
    """Compare noise schedules: what is left of the data, the noise, and the log of their ratio."""
    path = picture_path(out_, "schedules.png")
    found = {name: lookup.schedule(name) for name in names or lookup.specs("schedules") if complete(name, named=bool(names))}
    from ....plots.curves import schedules
    from ....style import save

    save(schedules(found), path)
    done(path, schedules=list(found))


def complete(name: str, *, named: bool) -> bool:
    """Whether a schedule is one by its name alone. One that was asked for by name and is not is refused."""
    import inspect

    from ....host import resolve

    parameters = inspect.signature(resolve(lookup.find("schedules", name).spec.target)).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind not in variadic]
    if missing and named:
        raise UsageError(f"schedule '{name}' is not known by its name alone: it needs {' and '.join(missing)}, and cannot be drawn here")
    return not missing


def loss(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that `gentk train` made.")],
    out_: Out = None,
) -> None:
    """Draw the loss of a run, or of several in one picture: training and validation."""
    from ....runs import Run

    short = [run.resolve().name for run in runs]  # in the legend, where that tells them apart
    found = {name if short.count(name) == 1 else str(run): Run(run) for run, name in zip(runs, short, strict=True)}
    for run in found.values():
        if not run.log():
            raise UsageError(f"{run.folder} holds no run with a log")
    path = picture_path(out_, f"{runs[0].resolve().name}-loss.png")
    from ....plots.curves import loss as losses
    from ....style import save

    save(losses(found), path)
    done(path, runs=list(found))
