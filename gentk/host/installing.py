"""Putting plugins in and taking them out: the installer runs, and a fresh process says what there is now.

Only what a person names is ever installed: no name from weights, a recipe or the Hub gets here by itself.
"""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ..distribution import FOREIGN, NAME, version
from ..errors import GentkError, UsageError, did_you_mean
from .entries import distribution_name, entries
from .environments import Environment, Line, Options
from .wanted import Wanted

GROUPS = ("gentk", "gentk.commands")
BEGINNINGS = ("error:", "cause:", "×", "╰─▶")


def install(things: Sequence[Wanted], options: Options, environment: Environment) -> list[dict[str, Any]]:
    """Install, then ask a fresh process: what `plugins show` says of each plugin that came. Raises GentkError where one does not work."""
    before = version()
    for line in environment.install(things, options):
        run(line)
    _say_if_changed(before)
    rows = []
    for thing in things:
        names = offered(thing.distribution)
        if not names and not has(thing.distribution):
            raise GentkError(f"the installer is done, but {thing.distribution} is not in {sys.prefix}")
        if not names and not offered(thing.distribution, "gentk.commands"):
            raise GentkError(f"{thing.distribution} is installed, but it is no plugin: it has no entry point in group 'gentk'")
        rows += [_working(name, thing.distribution) for name in names]
    return rows


def uninstall(distributions: Sequence[str], options: Options, environment: Environment) -> None:
    """Take distributions out. Raises GentkError where one is still there afterwards."""
    before = version()
    for line in environment.uninstall(distributions, options):
        run(line)
    if left := [name for name in distributions if has(name)]:
        raise GentkError(f"the installer is done, but {left[0]} is still there: something else that is installed wants it")
    _say_if_changed(before)


def owner(name: str) -> str:
    """The distribution that a plugin's name, or its own, means. Raises UsageError."""
    if canonicalize_name(name) in (NAME, FOREIGN):
        raise UsageError("gentk itself is no plugin: it is taken out the way it was installed")
    owners: dict[str, set[str]] = {}
    for ep in (ep for group in GROUPS for ep in entries(group)):
        found = canonicalize_name(distribution_name(ep.dist))
        owners.setdefault(ep.name, set()).add(found)
        owners.setdefault(found, set()).add(found)
    found_here = owners.get(name) or owners.get(canonicalize_name(name)) or set()
    if len(found_here) > 1:
        raise UsageError(f"plugin '{name}' is claimed by {' and '.join(sorted(found_here))}: say which of them")
    if not found_here:
        raise UsageError(f"no plugin '{name}' is installed, and no distribution of that name offers one{did_you_mean(name, owners)}")
    return min(found_here)


def offered(name: str, group: str = "gentk") -> list[str]:
    """The entry points of an installed distribution, read anew."""
    importlib.invalidate_caches()
    return sorted(ep.name for ep in entries(group) if canonicalize_name(distribution_name(ep.dist)) == name)


def has(name: str) -> bool:
    """Whether a distribution is installed, looked up anew."""
    importlib.invalidate_caches()
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


# ---------------------------------------------------------------- running
def run(line: Line) -> None:
    """An installer, what it says going to stderr as it says it. Raises GentkError with its cause in one line."""
    print("$", shlex.join(line), file=sys.stderr, flush=True)
    said: list[str] = []
    try:
        with subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
        ) as process:
            for text in process.stdout or ():
                print(text, end="", file=sys.stderr, flush=True)
                said.append(text.rstrip())
    except OSError as error:
        raise GentkError(f"{line[0]} cannot be run: {error.strerror}") from None
    if process.returncode:
        raise GentkError(f"{Path(line[0]).name}: {cause(said) or f'failed with exit code {process.returncode}'}")


def cause(said: Sequence[str]) -> str:
    """Of what an installer said, the sentence that tells why it failed: from the last line that begins one to the next that is empty."""
    lines = [text.strip() for text in said]
    starts = [i for i, text in enumerate(lines) if text.lower().startswith(BEGINNINGS)]
    if not starts:
        return next((text for text in reversed(lines) if text), "")
    end = next((i for i in range(starts[-1], len(lines)) if not lines[i] or lines[i].startswith("hint:")), len(lines))
    words = " ".join(lines[starts[-1] : end])
    for beginning in BEGINNINGS:
        words = words.removeprefix(beginning).removeprefix(beginning.upper()).strip()
    return words


def _say_if_changed(before: str) -> None:
    """A plugin's own requirement may have moved gentk itself; that is told."""
    importlib.invalidate_caches()
    if (now := version()) != before:
        print(f"warning: gentk itself went from {before} to {now}", file=sys.stderr)


def _working(name: str, distribution: str) -> dict[str, Any]:
    """What a fresh process shows of a plugin. Raises GentkError where it does not work."""
    asked = [sys.executable, "-P", "-m", "gentk", "plugins", "show", name, "--json"]
    shown = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace")
    try:
        row: dict[str, Any] = json.loads(shown.stdout)
    except ValueError:
        last = (shown.stderr.split("\n")[-2:] or [""])[0]
        raise GentkError(f"{distribution} is installed, but gentk no longer starts: {last}; take it out with your installer") from None
    if row.get("status") not in ("ok", "disabled"):
        why = f"{row.get('status', 'failed')}: {row.get('reason') or row.get('error')}"
        away = f"gentk plugins uninstall {distribution} takes it out"
        raise GentkError(f"{distribution} is installed, but its plugin '{name}' is {why}; {away}")
    return row
