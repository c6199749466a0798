"""What of a card is ours and what is a person's.

Each section that we write stands between two comments; the first carries the hash of the text:

    <!-- gentk:use 1f3a5c7e9b0d -->
    …
    <!-- /gentk:use -->

A text that no longer has its hash was edited, and stays. All between the sections is a person's, and stays. The last line,
`<!-- gentk:card HASH NAME… -->`, names the sections that were ever written: one that is gone was removed, and stays away. Its hash is that
of the whole card, so that a card can be told from one that somebody touched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

_OPENING = r"^<!-- gentk:([a-z]+) ([0-9a-f]{12}) -->[ \t]*\r?\n"
_BODY = r"((?:(?!<!-- gentk:[a-z]+ [0-9a-f]{12} -->).*\n)*?)"  # never past another opening: each line is read once
_SECTION = re.compile(_OPENING + _BODY + r"^<!-- /gentk:\1 -->[ \t]*\r?$", re.M)
_CARD = re.compile(r"^<!-- gentk:card ([0-9a-f]{12})((?: [a-z]+)*) -->[ \t]*\r?\n?", re.M)


def normal(text: str) -> str:
    """What counts of a text: editors change the ends of lines."""
    return "\n".join(line.rstrip() for line in text.removeprefix("\ufeff").splitlines()).strip()


def digest(text: str) -> str:
    return hashlib.sha256(normal(text).encode("utf-8", "replace")).hexdigest()[:12]


def base(text: str) -> str:
    """Which card this one goes back to; "" where it is none of ours."""
    found = _CARD.search(text)
    return found[1] if found else ""


def untouched(text: str) -> bool:
    """Whether nobody has changed a card since it was written."""
    return base(text) == digest(_CARD.sub("", text))


def ours(body: str) -> bool:
    """Whether we have written in this text before."""
    return bool(_CARD.search(body) or _SECTION.search(body))


def merged(body: str, sections: Mapping[str, str]) -> str:
    """The text with our sections brought up to date; the new ones in the order of `sections`, each after the one before it.

    An empty section is taken out where it was ours. `sealed` puts the last line under it.
    """
    known = _known(body)
    body = _CARD.sub("", body)

    def renewed(found: re.Match[str]) -> str:
        name, was, text = found.groups()
        if was != digest(text) or name not in sections:
            return found[0]
        new = sections[name]
        return found[0] if new and normal(new) == normal(text) else _wrapped(name, new)

    body = _SECTION.sub(renewed, body)
    last = ""
    for name, text in sections.items():
        if text and name not in known:
            body = _inserted(body, _wrapped(name, text), after=last)
        if _end(body, name):
            last = name
    return body


def sealed(front: str, body: str, before: str, sections: Mapping[str, str]) -> str:
    """The card, with its last line. `before`: the body as it was found; sections that it knew, and that are not empty now, are known."""
    known = _known(before)
    named = [name for name in dict.fromkeys([*known, *sections]) if sections.get(name, "known") or _end(body, name)]
    text = front + body.rstrip()
    return f"{text}\n\n<!-- gentk:card {digest(text)}{''.join(f' {name}' for name in named)} -->\n"


def _known(body: str) -> list[str]:
    listed = _CARD.search(body)
    return list(dict.fromkeys([*(listed[2].split() if listed else ()), *(found[1] for found in _SECTION.finditer(body))]))


def _wrapped(name: str, text: str) -> str:
    return f"<!-- gentk:{name} {digest(text)} -->\n{text.strip()}\n<!-- /gentk:{name} -->" if text else ""


def _end(body: str, name: str) -> int:
    """Where a section ends; 0 where there is none."""
    return next((found.end() for found in _SECTION.finditer(body) if found[1] == name), 0)


def _inserted(body: str, block: str, after: str) -> str:
    if end := _end(body, after):
        return f"{body[:end]}\n\n{block}{body[end:]}"
    return f"{body.rstrip()}\n\n{block}\n" if body.strip() else f"\n{block}\n"
