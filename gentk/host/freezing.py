"""The installed plugins as lines of a requirements file, and what of such a file is not there: an upgrade may have taken it away."""

from __future__ import annotations

import json
from importlib.metadata import Distribution, version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from ..errors import UsageError
from .entries import damage, distribution_name, entries
from .installing import GROUPS, has
from .wanted import Wanted, editable, requirement, wanted


def freeze() -> list[str]:
    """A line for each distribution that offers a plugin or a command, sorted by name."""
    found = {canonicalize_name(distribution_name(ep.dist)): ep for group in GROUPS for ep in entries(group) if ep.dist}
    return [f"# {name}: its metadata is damaged" if damage(ep) else line(ep.dist) for name, ep in sorted(found.items()) if ep.dist]


def line(dist: Distribution) -> str:
    """`name==version` from the registry, `-e address` or `name @ address` from elsewhere (PEP 610); a comment where that is gone."""
    direct = json.loads(dist.read_text("direct_url.json") or "{}")
    url = direct.get("url", "")
    if not url:
        return f"{dist.name}=={dist.version}"
    if url.startswith("file://") and not Path(unquote(urlsplit(url).path)).exists():
        return f"# {dist.name}=={dist.version} was installed from {url}, which is gone"
    if direct.get("dir_info", {}).get("editable"):
        return f"-e {url}"
    within = f"#subdirectory={direct['subdirectory']}" if "subdirectory" in direct else ""
    if vcs := direct.get("vcs_info"):
        return f"{dist.name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}{within}"
    return f"{dist.name} @ {url}{within}"


def missing(text: str, source: str) -> tuple[list[Wanted], list[str]]:
    """Of the lines in `text`: what is to be installed, and the lines of what is there already. Raises UsageError with the line's number."""
    have = set(freeze())
    lacking: list[Wanted] = []
    present: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        asked = raw.partition(" #")[0].strip()
        if not asked or asked.startswith("#"):
            continue
        try:
            thing = editable(asked[3:].strip()) if asked.startswith("-e ") else wanted(asked)
        except UsageError as error:
            raise UsageError(f"{source}, line {number}: {error}") from None
        if asked in have or _satisfied(thing):
            present.append(asked)
        else:
            lacking.append(thing)
    return lacking, present


def _satisfied(thing: Wanted) -> bool:
    """Whether one of these versions is installed. What has an address is known by its line, not by its version."""
    if thing.editable or "/" in thing.text or not has(thing.distribution):
        return False
    return requirement(thing.text).specifier.contains(version(thing.distribution), prereleases=True)
