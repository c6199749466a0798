"""Numbers as people read them: with as many digits as their error leaves."""

from __future__ import annotations

import math

from ..evaluation.ranking import Rank

UNITS = ((86400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s"))


def value(number: float, error: float | None = None) -> str:
    """A value, rounded to the second digit of its error; four digits where nobody knows one."""
    if not error or not math.isfinite(error):
        return f"{number:.4g}"
    return f"{number:.{_decimals(error)}f}" if _plain(number, error) else f"{number:.{_significant(number, error)}e}"


def spread(number: float, error: float | None) -> str:
    """The error, as `value` writes the number beside it; empty where nobody knows it."""
    if error is None:
        return ""
    if not error:
        return "0"
    return f"{error:.{_decimals(error)}f}" if _plain(number, error) else f"{error:.1e}"


def _decimals(error: float) -> int:
    return max(0, 1 - math.floor(math.log10(error)))


def _plain(number: float, error: float) -> bool:
    """Whether it can be read without an exponent."""
    return max(abs(number), error) < 1e7 and (_decimals(error) <= 5 or abs(number) >= 1e-3)


def _significant(number: float, error: float) -> int:
    if not number:
        return 1
    return max(1, min(8, math.floor(math.log10(abs(number))) - math.floor(math.log10(error)) + 1))


def times(ratio: float | None) -> str:
    """A multiple, without its sign: "1.3", "0.98", "140"."""
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if 0.1 <= ratio < 10 else f"{ratio:.3g}" if ratio < 1000 else f"{ratio:,.0f}"


def place(rank: Rank | None) -> str:
    """ "1", or "1 (1–2)" where other ranks are likely."""
    if rank is None:
        return ""
    return f"{rank.place}" if rank.low == rank.high else f"{rank.place} ({rank.low}–{rank.high})"


def share(rank: Rank | None) -> str:
    """How often it was that rank: "80 %"; empty where it could not be drawn anew."""
    return "" if rank is None or rank.share is None else f"{100 * rank.share:.0f} %"


def count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def duration(seconds: float | None) -> str:
    """ "2.1 ms", "12 s", "1 h 5 min"."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms" if seconds >= 0.001 else f"{1e6 * seconds:.3g} µs"
    if seconds < 60:
        return f"{seconds:.3g} s"
    large, small, first, second = next(unit for unit in UNITS if seconds >= unit[0])
    whole, rest = divmod(round(seconds / small), large // small)
    return f"{whole:,} {first}" + (f" {rest} {second}" if rest else "")
