"""gentk plugins new"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ....errors import UsageError, did_you_mean
from ...out import out


def kinds() -> list[str]:
    from ....host.scaffold import KINDS

    return list(KINDS)


def new(
    name: Annotated[str, Argument(metavar="NAME", help="gentk-NAME or NAME: lower case, with hyphens.")],
    kind: Annotated[
        str | None, Option(metavar="KIND", help="One of denoiser, gradient, statistics, autoregressive, metric.", autocompletion=kinds)
    ] = None,
    out_: Annotated[Path | None, Option("--out", metavar="DIR", help="A new folder. \\[default: gentk-NAME]")] = None,
) -> None:
    """Write a new plugin: a small complete distribution that works and passes every check.

    --kind is what it begins from. A model that trains in seconds: denoiser, diffusion of points; gradient, a normalizing flow; statistics,
    principal components fitted in one pass; autoregressive, a recurrent net of characters. Or metric, a distance and a featurizer.
    """
    from rich.markup import escape

    from ....host.scaffold import KINDS, named, write

    names = named(name)
    if kind not in KINDS:
        wrong = f"no kind '{kind}'{did_you_mean(kind, KINDS)}" if kind else f"which --kind? There is: {', '.join(KINDS)}"
        raise UsageError(wrong)
    folder = out_ or Path(names.distribution)
    files = write(names, kind, folder)
    data = {"plugin": names.plugin, "distribution": names.distribution, "package": names.package, "kind": kind}
    lines = [
        f"{folder}: {len(files)} files. {KINDS[kind].summary}. Next:",
        f"  cd {shlex.quote(str(folder))}",
        "  uv pip install -e .",
        *(f"  {line}" for line in KINDS[kind].commands(names.plugin)),
        f"  gentk plugins check {names.plugin}",
    ]
    out.result({**data, "folder": str(folder), "files": files}, lambda: escape("\n".join(lines)))
