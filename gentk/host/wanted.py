"""What a person asks to be installed: a published plugin, a distribution, a wheel, a folder. Checked before any installer sees it."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from ..distribution import FOREIGN, NAME
from ..errors import UsageError
from .catalogue import published


@dataclass(frozen=True)
class Wanted:
    """One thing to install: `text` is a requirement or an absolute path, `distribution` its normalised name."""

    text: str
    distribution: str
    editable: bool = False


def wanted(what: str) -> Wanted:
    """`vae`, `gentk-tides>=0.2`, `./dist/gentk_tides-0.1.0-py3-none-any.whl`, `./gentk-tides`. Raises UsageError for anything else.

    As with pip, a folder is meant where there is a separator in the word; a name that could be meant either way is refused, since the
    registry may hold a stranger's distribution of that name.
    """
    if what.startswith("-"):
        raise UsageError(f"'{what}' is an option, not a plugin, distribution, wheel or folder")
    if "://" not in what and (what.endswith(".whl") or what.startswith((".", "~")) or "/" in what or os.sep in what):
        return _path(absolute(what))
    found = requirement(what)
    name = found.name
    if entry := published().get(name):
        found.name = entry.distribution
    elif not found.specifier and not found.url:
        _certain(name)
    if canonicalize_name(found.name) in (NAME, FOREIGN):
        raise UsageError("gentk itself is no plugin: it is updated the way it was installed")
    return Wanted(str(found), canonicalize_name(found.name))


def requirement(text: str) -> Requirement:
    """A distribution with its versions, extras and markers, or `name @ url`. Raises UsageError."""
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(f"'{text}' is no plugin, distribution, wheel or folder: {str(error).splitlines()[0]}") from None


def editable(place: str) -> Wanted:
    """`-e PLACE` of a requirements file: a folder, or its file:// address. Raises UsageError."""
    path = Path(unquote(urlsplit(place).path)) if place.startswith("file://") else absolute(place)
    return Wanted(str(path), _path(path).distribution, editable=True)


def absolute(place: str) -> Path:
    """A place on the command line, whatever the current folder is later; links are left as they are."""
    return Path(os.path.abspath(Path(place).expanduser()))


def _path(path: Path) -> Wanted:
    if path.suffix == ".whl":
        if not path.is_file():
            raise UsageError(f"no file {path}")
        try:
            return Wanted(str(path), parse_wheel_filename(path.name)[0])
        except InvalidWheelFilename as error:
            raise UsageError(f"{path} is no wheel: {error}") from None
    if not path.is_dir():
        raise UsageError(f"{path} is no folder and no wheel (a .whl file)")
    try:
        name = tomllib.loads((path / "pyproject.toml").read_text("utf-8"))["project"]["name"]
        return Wanted(str(path), canonicalize_name(str(name)))
    except FileNotFoundError:
        raise UsageError(f"{path} holds no pyproject.toml, so it is no distribution") from None
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{path / 'pyproject.toml'} has no [project] with a name") from None


def _certain(name: str) -> None:
    """A bare name that is nothing of ours: perhaps a folder beside us, perhaps a slip of the pen. The registry is not asked for either."""
    exact = f"the distribution of that very name is '{name}>=0'"
    if (Path(name) / "pyproject.toml").is_file():
        raise UsageError(f"'{name}' is a folder here: say ./{name}; {exact}")
    known = {entry.distribution: entry.plugin for entry in published().values()}
    if canonicalize_name(name) not in known and (close := get_close_matches(name.removeprefix("gentk-"), known.values(), n=1, cutoff=0.6)):
        raise UsageError(f"nothing is published as '{name}'; did you mean '{close[0]}'? ({exact})")
