"""The environment that gentk runs in, and the command line that puts a plugin into it or takes one out.

Environments made by uv hold no pip; what `uv pip` brings into a uv project or a `uv tool` environment, the next sync or upgrade takes
away again. So each kind has its own way, and this file knows them.
"""

from __future__ import annotations

import os
import shlex
import sys
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from packaging.utils import canonicalize_name

from ..distribution import NAME
from ..errors import GentkError
from .receipt import Receipt
from .wanted import Wanted

Line = list[str]


@dataclass(frozen=True)
class Options:
    """Where distributions are looked for beside the registry (folders), or instead of it; whether newer ones are taken."""

    find_links: tuple[str, ...] = ()
    no_index: bool = False
    upgrade: bool = False

    def flags(self) -> Line:
        """Those that uv and pip share."""
        return [*(word for folder in self.find_links for word in ("--find-links", folder)), *(["--no-index"] if self.no_index else [])]

    def uv(self, things: Sequence[Wanted] = ()) -> Line:
        """uv can upgrade what is named, and leave the rest, gentk included, as it is."""
        return [*self.flags(), *(word for thing in things if self.upgrade for word in ("--upgrade-package", thing.distribution))]


class Environment(ABC):
    """One kind of environment: command lines, made of words, never given to a shell."""

    @abstractmethod
    def install(self, things: Sequence[Wanted], options: Options) -> list[Line]: ...

    @abstractmethod
    def uninstall(self, names: Sequence[str], options: Options) -> list[Line]: ...


@dataclass(frozen=True)
class UvTool(Environment):
    """Made by `uv tool install`. Its receipt says what from; only what the receipt names survives `uv tool upgrade`."""

    prefix: Path
    uv: str

    def install(self, things: Sequence[Wanted], options: Options) -> list[Line]:
        receipt = Receipt.read(self.prefix)
        added = [word for thing in things for word in ("--with-editable" if thing.editable else "--with", thing.text)]
        flags = [*receipt.flags(without=options.flags()), *options.uv(things)]
        return [[self.uv, "tool", "install", *flags, *receipt.tool, *receipt.extras({thing.distribution for thing in things}), *added]]

    def uninstall(self, names: Sequence[str], options: Options) -> list[Line]:
        receipt = Receipt.read(self.prefix)
        if other := set(names) - receipt.names:
            raise GentkError(f"{min(other)} was not added to {self.prefix.name} by --with: it came with something else, and stays with it")
        flags = [*receipt.flags(without=options.flags()), *options.uv()]
        return [[self.uv, "tool", "install", *flags, *receipt.tool, *receipt.extras(set(names))]]


@dataclass(frozen=True)
class UvProject(Environment):
    """PROJECT/.venv, which `uv sync` makes equal to PROJECT/pyproject.toml."""

    folder: Path
    uv: str

    def install(self, things: Sequence[Wanted], options: Options) -> list[Line]:
        parts = [[t for t in things if not t.editable], [t for t in things if t.editable]]
        return [
            [self.uv, "add", "--project", str(self.folder), *options.uv(part), *(["--editable"] if part[0].editable else []), *texts(part)]
            for part in parts
            if part
        ]

    def uninstall(self, names: Sequence[str], options: Options) -> list[Line]:
        return [[self.uv, "remove", "--project", str(self.folder), *options.uv(), *names]]


@dataclass(frozen=True)
class UvPip(Environment):
    """Any environment, with a uv beside it."""

    uv: str
    python: str = field(default_factory=lambda: sys.executable)

    def install(self, things: Sequence[Wanted], options: Options) -> list[Line]:
        return [[self.uv, "pip", "install", "--python", self.python, *options.uv(things), *texts(things, "--editable")]]

    def uninstall(self, names: Sequence[str], options: Options) -> list[Line]:
        return [[self.uv, "pip", "uninstall", "--python", self.python, *names]]


@dataclass(frozen=True)
class Sources(Environment):
    """A clone of gentk, whose project is gentk itself: a plugin is no dependency of it. The person is told what to do."""

    folder: Path
    pip: UvPip

    def install(self, things: Sequence[Wanted], options: Options) -> list[Line]:
        raise self._refusal(self.pip.install(things, options))

    def uninstall(self, names: Sequence[str], options: Options) -> list[Line]:
        raise self._refusal(self.pip.uninstall(names, options))

    def _refusal(self, lines: list[Line]) -> GentkError:
        return GentkError(
            f"this is the environment of gentk's own sources, {self.folder}: `uv sync` makes it what their pyproject.toml says. "
            f"Work in a project of your own (uv init, uv add {NAME}), or have it here until the next sync: {shlex.join(lines[0])}"
        )


@dataclass(frozen=True)
class Pip(Environment):
    """An environment that holds pip."""

    python: str = field(default_factory=lambda: sys.executable)

    def install(self, things: Sequence[Wanted], options: Options) -> list[Line]:
        upgrade = ["--upgrade"] if options.upgrade else []
        return [[self.python, "-m", "pip", "install", *options.flags(), *upgrade, *texts(things, "--editable")]]

    def uninstall(self, names: Sequence[str], options: Options) -> list[Line]:
        return [[self.python, "-m", "pip", "uninstall", "--yes", *names]]


@dataclass(frozen=True)
class Pipx(Environment):
    """Made by pipx, which puts in again what was injected when it upgrades."""

    prefix: Path

    def install(self, things: Sequence[Wanted], options: Options) -> list[Line]:
        flags = shlex.join([*options.flags(), *(["--upgrade"] if options.upgrade else [])])
        return [["pipx", "inject", self.prefix.name, *([f"--pip-args={flags}"] if flags else []), *texts(things, "--editable")]]

    def uninstall(self, names: Sequence[str], options: Options) -> list[Line]:
        return [["pipx", "uninject", self.prefix.name, *names]]


def texts(things: Sequence[Wanted], flag: str = "") -> Line:
    """What an installer is given, `flag` before each that stays where it lies."""
    return [word for thing in things for word in ((flag, thing.text) if flag and thing.editable else (thing.text,))]


def here(prefix: Path = Path(sys.prefix)) -> Environment:
    """The environment at `prefix`, the running one. Raises GentkError where a plugin cannot be installed into it, with what to do."""
    uv = os.environ.get("UV") or which("uv")
    if (prefix / "uv-receipt.toml").is_file():
        return UvTool(prefix, uv or _missing(f"{prefix} was made by uv"))
    if any((folder / "CACHEDIR.TAG").is_file() for folder in prefix.parents):
        raise GentkError(
            "this gentk runs in a passing environment of uv's cache: name its plugins as it starts "
            f"(uvx --from {NAME} --with gentk-NAME gentk …), or install it: uv tool install {NAME} --with gentk-NAME"
        )
    if (prefix / "pipx_metadata.json").is_file():
        return Pipx(prefix)
    if project := _project(prefix, uv):
        return project
    pip = find_spec("pip") is not None
    if uv and not (pip and (prefix / "conda-meta").is_dir()):
        return UvPip(uv)
    return Pip() if pip else _missing(f"{prefix} holds no pip")


def _missing(fact: str) -> Any:
    raise GentkError(f"{fact}, and no uv is on PATH: install uv (https://docs.astral.sh/uv), or set UV to where it is, and try again")


def _project(prefix: Path, uv: str | None) -> Environment | None:
    """The uv project whose environment this is, if any. Raises GentkError for one that uv could not add a plugin to."""
    folder = prefix.parent
    try:
        table = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    ours = table.get("tool", {}).get("uv")
    if prefix.name != ".venv" or (ours is None and not (folder / "uv.lock").is_file()) or (ours or {}).get("managed") is False:
        return None
    if "project" not in table:
        raise GentkError(f"{folder} is a workspace without a project of its own: uv add --package MEMBER WHAT says which member it is for")
    if canonicalize_name(str(table["project"].get("name", ""))) == NAME:
        return Sources(folder, UvPip(uv or "uv"))
    return UvProject(folder, uv or _missing(f"{folder} is a uv project"))
