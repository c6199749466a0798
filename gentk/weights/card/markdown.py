"""Strings of strangers (class names, data sets, recipes) as Markdown that shows them and does nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$!])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LINKED = re.compile(r"(?<=:)//|(?<=www)\.|@", re.I)
_DOI = re.compile(r"\barXiv:(\d{4}\.\d{4,5})\b")


def one_line(text: object, most: int = 200) -> str:
    """On one line, without what neither prints nor stands still on a page, and not endless."""
    clean = "".join(c for c in " ".join(str(text).split()) if c.isprintable())
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def plain(text: object, most: int = 200) -> str:
    """Words within a sentence: no markup, and no address or person that a page would make a link of."""
    escaped = _SPECIAL.sub(r"\\\1", "".join(_ENTITIES.get(c, c) for c in one_line(text, most)))
    return _LINKED.sub(lambda found: "".join(f"&#{ord(c)};" for c in found[0]), escaped)


def code(text: object, most: int = 80) -> str:
    """A name or a value, also within a table's cell."""
    shown = one_line(text, most).replace("|", "\\|") or " "
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    pad = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def fence(text: str, language: str = "") -> str:
    """A block of code. What could end one of gentk's own sections does not stand in it as such."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks}{language}\n{text.replace('<!--', '<! --').rstrip()}\n{ticks}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def paper(text: str) -> str:
    """A reference, linked where it has a number of arXiv's."""
    return _DOI.sub(lambda found: f"[arXiv:{found[1]}](https://arxiv.org/abs/{found[1]})", plain(text))
