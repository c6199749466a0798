"""uv-receipt.toml: what `uv tool install` was once asked for, as the words that ask for it again."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from packaging.utils import canonicalize_name

from ..errors import GentkError

Row = Mapping[str, Any]
UNKEPT = ("constraints", "overrides", "excludes", "build-constraints")


@dataclass(frozen=True)
class Receipt:
    """The first requirement is the tool itself, the others were added by `--with`."""

    requirements: tuple[Row, ...]
    options: Row
    python: str | None
    others: tuple[str, ...]  # --with-executables-from

    @classmethod
    def read(cls, prefix: Path) -> Receipt:
        """The receipt in a tool's environment. Raises GentkError where repeating it would lose something."""
        path = prefix / "uv-receipt.toml"
        try:
            tool = tomllib.loads(path.read_text("utf-8"))["tool"]
            rows = tuple(tool["requirements"])
            name = canonicalize_name(rows[0]["name"])
            others = tuple(dict.fromkeys(e["from"] for e in tool.get("entrypoints", ()) if canonicalize_name(e.get("from", name)) != name))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise GentkError(f"{path} is not as uv writes it: {' '.join(str(error).split())}") from None
        if lost := [key for key in UNKEPT if tool.get(key)]:
            raise GentkError(f"{path} has {lost[0]}, which would be lost: run your `uv tool install` again with one --with more")
        return cls(rows, tool.get("options", {}), tool.get("python"), others)

    @property
    def names(self) -> set[str]:
        """What was added by --with."""
        return {canonicalize_name(row["name"]) for row in self.requirements[1:]}

    @property
    def tool(self) -> list[str]:
        """The tool itself."""
        row = self.requirements[0]
        return ["--editable", str(row["editable"])] if "editable" in row else [requirement(row)]

    def extras(self, without: set[str]) -> list[str]:
        """What was added to the tool, but for the distributions in `without`."""
        kept = [row for row in self.requirements[1:] if canonicalize_name(row["name"]) not in without]
        words = [w for row in kept for w in (("--with-editable", row["editable"]) if "editable" in row else ("--with", requirement(row)))]
        return words + [word for name in self.others for word in ("--with-executables-from", name)]

    def flags(self, without: Sequence[str] = ()) -> list[str]:
        """The interpreter and the options, but for those in `without`, which are given anyway."""
        words = ["--python", self.python] if self.python else []
        for key, value in self.options.items():
            for item in value if isinstance(value, list) else [value]:
                words += _flag(key, item, without)
        return words


def _flag(key: str, value: Any, without: Sequence[str]) -> list[str]:
    """One option of the receipt as uv takes it. Raises GentkError for a value that fits no command line."""
    if value is False or (value is True and f"--{key}" in without):
        return []
    if value is True:
        return [f"--{key}"]
    if key == "index" and isinstance(value, dict):
        name = f"{value['name']}=" if value.get("name") else ""
        return ["--default-index" if value.get("default") else "--index", name + str(value["url"])]
    if not isinstance(value, str | int):
        raise GentkError(f"uv-receipt.toml has {key}, which fits no command line: run your `uv tool install` again with one --with more")
    return [f"--{key}", str(value)]


def requirement(row: Row) -> str:
    """PEP 508: `name[extra]>=1; marker`, or `name @ address` of a wheel, a folder or a repository."""
    extras = f"[{','.join(row['extras'])}]" if row.get("extras") else ""
    if "git" in row:
        parts = urlsplit(row["git"])
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        revision = next((f"@{query[key]}" for key in ("rev", "tag", "branch") if key in query), "")
        within = f"#subdirectory={query['subdirectory']}" if "subdirectory" in query else ""
        address = f"git+{parts._replace(query='', fragment='').geturl()}{revision}{within}"
    elif local := row.get("path") or row.get("directory") or row.get("editable"):
        address = Path(local).as_uri()
    else:
        address = row.get("url", "")
    text = str(row["name"]) + extras + (f" @ {address}" if address else row.get("specifier", ""))
    return text + (f" ; {row['marker']}" if row.get("marker") else "")
