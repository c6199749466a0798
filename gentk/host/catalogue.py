"""The plugins that we publish, as data beside this file: what an error can offer and `gentk plugins search` lists. No network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import did_you_mean
from .entries import entries

KINDS = ("datasets", "samplers", "schedules", "metrics", "featurizers", "modalities")  # what is looked up by name in all plugins


class Published(NamedTuple):
    """A plugin that can be had: the name `--plugin` takes, what to install for it, and what is said of it."""

    plugin: str
    distribution: str
    summary: str
    keywords: tuple[str, ...]
    offers: Mapping[str, tuple[str, ...]] = {}  # kind ("datasets", "samplers" …) → names

    def mentions(self, text: str) -> bool:
        """Whether all words of `text` occur in what is said of it."""
        said = " ".join((self.plugin, self.distribution, self.summary, *self.keywords)).lower()
        return all(word in said for word in text.lower().split())


@cache
def published() -> dict[str, Published]:
    """All of them, by the plugin's name."""
    import tomllib

    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    return {name: _entry(name, row) for name, row in sorted(table.items())}


def _entry(name: str, row: Mapping[str, Any]) -> Published:
    offers = {kind: tuple(row[kind]) for kind in KINDS if kind in row}
    return Published(name, row["distribution"], row["summary"], tuple(row["keywords"]), offers)


def offering(kind: str, name: str) -> Published | None:
    """The plugin that we publish which offers a data set, sampler … of this name."""
    return next((entry for entry in published().values() if name in entry.offers.get(kind, ())), None)


def offer(name: str) -> str:
    """What follows "no plugin 'NAME' is installed" or "needs plugin 'NAME', which is not installed", on the same line.

    Who offers it and the command that installs it, where we publish it; else a similar name among those installed and published.
    """
    if entry := published().get(name):
        return f"; {entry.distribution} offers it: gentk plugins install {entry.plugin}"
    installed = {ep.name for ep in entries("gentk")}
    close = did_you_mean(name, {*installed, *published()})
    return close if close.startswith("; did you mean") else did_you_mean(name, installed)
