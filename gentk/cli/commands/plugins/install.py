"""gentk plugins install, uninstall, freeze, restore, search"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import UsageError
from ...out import out

if TYPE_CHECKING:
    from ....host.environments import Options
    from ....host.wanted import Wanted

FindLinks = Annotated[
    list[str], typer.Option("--find-links", "-f", metavar="DIR", help="Look for wheels in this folder too; may be given several times.")
]
NoIndex = Annotated[bool, typer.Option("--no-index", help="Do not ask the package registry; only --find-links.")]
Upgrade = Annotated[bool, typer.Option("--upgrade", "-U", help="Take the newest version that fits, of what is named.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print the command.")]


def install(
    what: Annotated[
        list[str],
        typer.Argument(metavar="WHAT…", help="A published plugin (vae), a distribution (gentk-tides>=0.2), a wheel or a folder."),
    ],
    find_links: FindLinks = [],
    no_index: NoIndex = False,
    upgrade: Upgrade = False,
    dry_run: DryRun = False,
) -> None:
    """Install plugins into the environment of this gentk, in the way that lasts there, and see that they work."""
    from ....host.wanted import wanted

    _installed([wanted(text) for text in what], find_links, no_index, upgrade, dry_run)


def uninstall(
    name: Annotated[list[str], typer.Argument(metavar="NAME…", help="A plugin or its distribution.")],
    find_links: FindLinks = [],
    no_index: NoIndex = False,
    dry_run: DryRun = False,
) -> None:
    """Take plugins out of the environment of this gentk."""
    from ....host import installing
    from ....host.environments import here

    gone = [installing.owner(text) for text in name]
    environment, options = here(), _options(find_links, no_index)
    if dry_run:
        _commands(environment.uninstall(gone, options))
        return
    installing.uninstall(gone, options, environment)
    out.result({"uninstalled": gone}, lambda: "\n".join(f"{one} is uninstalled" for one in gone))


def freeze(
    file: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write them to a file. \\[default: print them]")] = None,
) -> None:
    """The installed plugins as requirements, a line each: what `gentk plugins restore` installs again."""
    from rich.markup import escape

    from ....host import freezing

    lines = freezing.freeze()
    if file and (file := out.target(file, "plugins.txt")):
        from ....files import replacing

        with replacing(file) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        out.result({"file": str(file), "requirements": lines}, lambda: escape(f"{file}: {_count(lines, 'plugin')}"))
    else:
        out.result(lines, lambda: escape("\n".join(lines)))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `gentk plugins freeze` has written.")],
    find_links: FindLinks = [],
    no_index: NoIndex = False,
    dry_run: DryRun = False,
) -> None:
    """Install those plugins of a file that are not there: after an upgrade took them away, or on another machine."""
    from ....host import freezing

    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    lacking, present = freezing.missing(text, str(file))
    _installed(lacking, find_links, no_index, False, dry_run, present)


def search(
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="Words that must all occur. \\[default: list all]")] = "",
) -> None:
    """Search the plugins that gentk's authors publish. Asks no network: the list comes with gentk."""
    from ....host.catalogue import published
    from ....host.lookup import host
    from ..listings import table

    rows: list[dict[str, Any]] = [
        {"plugin": entry.plugin, "installed": entry.plugin in host().plugins, "distribution": entry.distribution, "summary": entry.summary}
        for entry in published().values()
        if entry.mentions(text)
    ]
    shown = [{**row, "installed": "yes" if row["installed"] else ""} for row in rows]
    out.result(rows, lambda: table(shown, f"nothing is published about {text!r}; gentk plugins search lists all"))


# ---------------------------------------------------------------- what they share
def _installed(
    things: Sequence[Wanted], find_links: list[str], no_index: bool, upgrade: bool, dry_run: bool, present: Sequence[str] = ()
) -> None:
    """Install what is given, unless it is nothing; say what came and what was there."""
    from ....host import installing
    from ....host.environments import here

    rows: list[dict[str, Any]] = []
    if things:
        environment, options = here(), _options(find_links, no_index, upgrade)
        if dry_run:
            _commands(environment.install(things, options))
            return
        rows = installing.install(things, options, environment)
    out.result({"installed": rows, "present": list(present)}, lambda: _told(rows, present))


def _options(find_links: list[str], no_index: bool, upgrade: bool = False) -> Options:
    from ....host.environments import Options
    from ....host.wanted import absolute

    for folder in find_links:
        if not absolute(folder).is_dir():
            raise UsageError(f"--find-links: no folder {folder}")
    return Options(tuple(str(absolute(folder)) for folder in find_links), no_index, upgrade)


def _commands(lines: list[list[str]]) -> None:
    from rich.markup import escape

    out.result({"commands": lines}, lambda: escape("\n".join(map(shlex.join, lines))))


def _told(rows: list[dict[str, Any]], present: Sequence[str]) -> str:
    """What came: its name, version, models, and the next command to try."""
    from rich.markup import escape

    lines = [f"{line} is there already" for line in present]
    for row in rows:
        models = f": {', '.join(row['models'])}" if row["models"] else ""
        lines.append(f"{row['name']} ({row['distribution']} {row['version']}) is installed{models}")
        lines += [f"  {step}" for step in _next(row)]
    return escape("\n".join(lines) or "nothing to install")


def _next(row: dict[str, Any]) -> list[str]:
    """How to go on: sample what is shipped, train what is not."""
    if row["weights"]:
        return [f"gentk sample --plugin {row['name']}"]
    if row["recipes"]:
        return [f"gentk train --plugin {row['name']}"]
    return [f"gentk plugins show {row['name']}"]


def _count(things: Sequence[Any], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
