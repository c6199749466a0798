"""Entry points of all installed distributions. One whose metadata are damaged is named and hides no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, EntryPoints, distributions
from pathlib import Path
from typing import Any

from ..text import one_line

NAME = re.compile(r"([A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9])", re.IGNORECASE)
_SIMPLE = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w,-]+\])?([<>=!~]{1,2}[\d.*]+,?)*")  # a requirement that is surely one
BROKEN = "damaged"  # the module of an entry point that stands for a distribution whose own cannot be read


def entries(group: str, name: str | None = None) -> list[EntryPoint]:
    """The entry points of a group, in the order of the path; of two copies of a distribution the first counts.

    A distribution of ours whose entry points cannot be read is there as one of its own name, with the module `BROKEN`.
    """
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for dist in distributions():
        called = distribution_name(dist)
        key = re.sub(r"[-_.]+", "-", called).lower()
        if key in seen:
            continue
        seen.add(key)
        found += _of(dist, called, group)
    return [ep for ep in found if name is None or ep.name == name]


def _of(dist: Distribution, called: str, group: str) -> Iterator[EntryPoint]:
    try:
        text = dist.read_text("entry_points.txt") or ""
        if group not in text:
            return
        points: EntryPoints = dist.entry_points
        yield from points.select(group=group)
    except Exception:  # bytes that are no text, lines that are no entry points: each parser has errors of its own
        if called.lower().startswith("gentk") and group == "gentk":
            point = EntryPoint(called, BROKEN, group)
            vars(point).update(dist=dist)
            yield point


def distribution_name(dist: Distribution | None) -> str:
    """The name of the folder of its metadata, which is there when they are damaged; else the name in them."""
    folder = Path(str(getattr(dist, "_path", ""))).name.partition("-")[0].removesuffix(".egg-info")
    try:
        return folder.replace("_", "-") or str(dist.metadata["Name"])  # type: ignore[union-attr]
    except Exception:
        return "?"


def package(ep: EntryPoint) -> str:
    """The top-level package that an entry point names; empty where its value names none."""
    return ep.value.partition(":")[0].partition(".")[0].strip()


def damage(ep: EntryPoint) -> str:
    """What is wrong with the metadata of an entry point's distribution, in a few words, or the empty string."""
    dist: Any = ep.dist
    try:
        if ep.value == BROKEN:
            return "entry_points.txt cannot be read"
        if not re.fullmatch(r"[\w.]+", ep.module):
            return f"entry_points.txt names the module {one_line(ep.module, 60)}"
    except Exception:
        return f"entry_points.txt says {one_line(ep.value, 60)!r}"
    checks = {"Name": _wrong_name, "Version": _wrong_version, "Requires-Dist": _wrong_requires, "direct_url.json": _wrong_direct}
    for what, wrong in checks.items():
        try:
            if said := wrong(dist):
                return f"{what}: {said}"
        except Exception as error:
            return f"{what}: {one_line(error, 100)}"
    return ""


def _wrong_name(dist: Distribution) -> str:
    name = dist.metadata["Name"]
    return "" if isinstance(name, str) and NAME.fullmatch(name) else repr(one_line(name, 60))


def _wrong_version(dist: Distribution) -> str:
    text = str(dist.metadata["Version"])
    return "" if re.fullmatch(r"v?\d+([\w.!+-]*)", text) else repr(one_line(text, 60))


def _wrong_requires(dist: Distribution) -> str:
    unsure = [text for text in dist.requires or () if not _SIMPLE.fullmatch(text)]
    if unsure:  # else packaging need not be imported
        from packaging.requirements import Requirement

        for text in unsure:
            Requirement(text)
    return ""


def _wrong_direct(dist: Distribution) -> str:
    told = json.loads(dist.read_text("direct_url.json") or "{}")
    return "" if isinstance(told, dict) and isinstance(told.get("dir_info", {}), dict) else "not a table"
