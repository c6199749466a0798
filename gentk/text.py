"""What strangers wrote, made fit to be printed: plugins, weights, files and the Hub can put anything into a name, a summary or an error.

Everything that is printed goes through `harmless`; a value inside a message through `one_line`; what rich would read as markup
through `plain`.
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

LONGEST = 200  # characters of a stranger's value in a message
LINE = 2000  # of a whole message
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # reorder what stands around them


def harmless(text: str) -> str:
    """Text without what a terminal would obey: control characters, halves of surrogate pairs, changes of direction."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or (unicodedata.category(c) not in ("Cc", "Cs") and c not in _TURNING) else "\ufffd" for c in text)


def one_line(value: object, longest: int = LONGEST) -> str:
    """A value as one harmless line of at most `longest` characters. A `__str__` that raises is told instead."""
    try:
        text = str(value)
    except Exception as error:
        text = f"({type(value).__name__} whose text raises {type(error).__name__})"
    text = harmless(" ".join(text[: 4 * longest].split()))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def plain(value: object, longest: int = LONGEST) -> str:
    """The same where rich reads markup: help texts, titles, cells of tables."""
    from rich.markup import escape

    return escape(one_line(value, longest))


def cause(error: BaseException) -> str:
    """`ImportError: No module named 'x' (gentk_foo/plugin.py:3)`: the place, unless it is in the host itself."""
    tb = error.__traceback__
    while tb and tb.tb_next:
        tb = tb.tb_next
    file = Path(tb.tb_frame.f_code.co_filename) if tb else Path()
    ours = file.parent == Path(__file__).parent / "host" or "pluggy" in file.parts or not file.exists()
    place = "" if ours or tb is None else f" ({file.parent.name}/{file.name}:{tb.tb_lineno})"
    return f"{one_line(type(error).__name__, 80)}: {one_line(error)}{harmless(place)}"


def size(count: float) -> str:
    """Bytes for people: "3.9 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def warn(text: object) -> None:
    """One line on stderr."""
    print("warning:", one_line(text, LINE), file=sys.stderr)


_noted: set[str] = set()


def note(text: object, *, once: str = "") -> None:
    """One line on stderr for what a person should know of their data. Only the first of equal lines, or of equal `once`, is printed."""
    line = one_line(text, LINE)
    if (once or line) not in _noted:
        _noted.add(once or line)
        print(line, file=sys.stderr)
