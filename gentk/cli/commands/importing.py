"""gentk import, gentk export: weights of other programs, by the importers of a plugin."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import UsageError, did_you_mean
from ...files import replacing_folder
from ...host import ImporterSpec, lookup, resolve
from ...weights import hub
from ...weights.names import locate
from ...weights.safety import read_config, read_header
from .. import choices
from ..out import out
from ..subject import DEFAULT

import_app = typer.Typer(add_completion=False, rich_markup_mode="rich")
export_app = typer.Typer(add_completion=False, rich_markup_mode="rich")
SUFFIXES = (".json", ".safetensors")  # all that is downloaded: nothing else is ever read


@import_app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder, or a repository of the Hub: USER/REPO or USER/REPO@REVISION.")],
    plugin: choices.Plugin = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="NAME", help="Which format. \\[default: the plugin's first]")] = None,
    target: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="A new folder for the weights. \\[default: imported/NAME]")
    ] = None,
) -> None:
    """Turn another program's checkpoint into a folder of gentk weights."""
    spec = importer(plugin or DEFAULT, from_)
    found = None if Path(source).exists() else hub.repository(source)
    name = found[0].partition("/")[2] if found else Path(source).resolve().name
    place = target or Path("imported") / name
    check_free(place)
    folder = located(source)
    with noted() as notes:
        model = resolve(spec.target)(folder)
    written(model, place, name)
    config, header = read_config(place), read_header(place)
    data = {"source": source, "weights": str(place), "plugin": config["plugin"], "model": config["model"], "config": config["config"]}
    data |= {"data": config["data"], "sampler": config["sampler"], "parameters": header.parameters, "notes": notes}
    out.result(data, lambda: people(data))


def people(data: dict[str, Any]) -> str:
    shapes = ", ".join(f"{key} {'×'.join(map(str, leaf['shape']))}" for key, leaf in data["data"]["leaves"].items())
    lines = [f"{data['weights']}: {data['plugin']}/{data['model']} of {shapes}, {data['parameters']:,} numbers"]
    lines += [f"note: {note}" for note in data["notes"]]
    return plain([*lines, f"gentk sample --weights {data['weights']}"])


def plain(lines: list[str]) -> str:
    from rich.markup import escape

    return escape("\n".join(lines))


@contextmanager
def noted() -> Iterator[list[str]]:
    """What an importer warns of, once each."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield notes
    notes += dict.fromkeys(str(w.message) for w in caught if w.category is UserWarning)


@export_app.command("export")
def export(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="A folder or run, a plugin, or PLUGIN/RECIPE.")],
    target: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder.")],
    to: Annotated[str | None, typer.Option("--to", metavar="NAME", help="Which format. \\[default: the plugin's first]")] = None,
) -> None:
    """Write weights in another program's format."""
    found = locate(weights)
    spec = importer(read_config(found.folder)["plugin"], to, export=True)
    assert spec.export
    check_free(target)
    from ...weights import load

    model = load(str(found.folder))
    with noted() as notes, replacing_folder(parented(target)) as temporary:
        resolve(spec.export)(model, temporary)
    data = {"weights": found.title, "format": spec.name, "folder": str(target), "notes": notes}
    lines = [f"{found.title} as {spec.name}, in {target}", *(f"note: {note}" for note in notes)]
    out.result(data, lambda: plain(lines))


def importer(plugin: str, name: str | None, *, export: bool = False) -> ImporterSpec:
    """The format called `name` of a plugin, or its first. Raises UsageError."""
    known = {key: spec for key, spec in lookup.specs("importers", plugin).items() if spec.export or not export}
    if not known:
        raise UsageError(f"plugin '{plugin}' {'writes' if export else 'reads'} no format of other programs")
    if name and name not in known:
        raise UsageError(f"plugin '{plugin}' has no format '{name}'{did_you_mean(name, known)}")
    spec: ImporterSpec = known[name] if name else next(iter(known.values()))
    return spec


def check_free(target: Path) -> None:
    """Before the work: nobody's files are replaced. Raises UsageError."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(f"{target} is not empty: give a new folder with --out")


def parented(target: Path) -> Path:
    """The absolute path, its parents made."""
    path = target.expanduser().absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}") from error
    return path


def written(model: Any, target: Path, name: str) -> None:
    from ...weights import save

    with replacing_folder(parented(target)) as temporary:
        save(model, temporary, recipe=name)


# ---------------------------------------------------------------- the Hub
def located(source: str) -> Path:
    """The folder of a source, downloaded where it is a repository's name. Raises UsageError, GentkError."""
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise UsageError(f"{source} is a file; give the folder that holds it")
    found = hub.repository(source)
    if found is None:
        raise UsageError(f"there is no folder {source}; a repository is written USER/REPO or USER/REPO@REVISION")
    return hub.fetched(*found, lambda name: name.endswith(SUFFIXES)).folder
