"""What a new plugin is called: its distribution, plugin, package and classes, from one name that nobody else has."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import NamedTuple

from ...distribution import FOREIGN, NAME
from ...errors import UsageError

PREFIX = "gentk-"
WANTED = "lower-case letters and digits, a letter first, with hyphens between words: gentk-tides"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 60


class Names(NamedTuple):
    """Of a plugin `my-tides`: gentk-my-tides, my-tides, gentk_my_tides, MyTides."""

    distribution: str
    plugin: str
    package: str
    title: str


def named(name: str) -> Names:
    """The names of a plugin, from its name with or without the prefix. Raises UsageError for one that is malformed or taken."""
    plugin = name.removeprefix(PREFIX)
    if not _NAME.fullmatch(plugin) or PREFIX + plugin == NAME or plugin == FOREIGN or len(plugin) > LONGEST:
        guess = "-".join(re.findall(r"[a-z0-9]+", name.lower().removeprefix("gentk"))).lstrip("0123456789-")[:LONGEST]
        hint = f"; did you mean 'gentk-{guess}'?" if guess and guess != plugin else ""
        raise UsageError(f"'{name}' is no name for a plugin: {WANTED}{hint}")
    names = Names(PREFIX + plugin, plugin, (PREFIX + plugin).replace("-", "_"), "".join(word.capitalize() for word in plugin.split("-")))
    if reason := taken(names):
        raise UsageError(f"'{plugin}' is taken: {reason}; choose another name")
    return names


def taken(names: Names) -> str:
    """Who has this name already, or the empty string."""
    from .. import lookup
    from ..catalogue import published

    if names.plugin in lookup.host().plugins:
        owner = lookup.host().plugins[names.plugin].origin
        return f"{owner.distribution} {owner.version} is installed"
    if names.plugin in published():
        return f"it is what {published()[names.plugin].distribution} offers"
    if names.plugin in lookup.specs("datasets", lookup.CORE):
        return "gentk itself has a data set of that name"
    try:
        return f"{names.distribution} {version(names.distribution)} is installed"
    except PackageNotFoundError:
        return f"a package {names.package} can be imported already" if find_spec(names.package) else ""
