"""Dates as people write them: the format of a column of them, days since 1970 and back, and the clock of a regular series. Light."""

from __future__ import annotations

import math
from calendar import monthrange
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from .protocols import Clock

EPOCH = datetime(1970, 1, 1)
DAY = timedelta(days=1)
MICROSECONDS = 86_400_000_000
TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f", "T%H:%M:%S%z", " %H:%M:%S%z", "T%H:%M:%S.%f%z")
DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%Y-%m", "%d %b %Y",
         "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %Y", "%B %Y", "%d-%b-%Y", "%d-%b-%y", "%Y/%m", "%m/%Y")  # fmt: skip
"""What is tried, in this order; 1/2/2024 is the second of January unless another date of the column says otherwise."""
STEPS = (("%f", 1e-6 / 86400), ("%S", 1 / 86400), ("%M", 1 / 1440), ("%H", 1 / 24))  # days between two dates that a format tells apart


def format_of(cells: Sequence[str]) -> str | None:
    """The first format in which all cells are dates; None where there is none."""
    if not cells or not any(mark in cells[0] for mark in "-/. ") or not any(c.isdigit() for c in cells[0]):
        return None
    for date in DATES:
        for time in TIMES:
            if _fits(cells[0], date + time) and all(_fits(cell, date + time) for cell in cells):
                return date + time
    return None


def _fits(cell: str, format: str) -> bool:
    try:
        _read(cell, format)
    except ValueError:
        return False
    return True


def days(cell: str, format: str) -> float:
    """A date of this format, or of ISO 8601, as days since 1970; one without a zone is in none.

    Raises ValueError, in words that follow the column's name.
    """
    try:
        found = _read(cell, format)
    except ValueError:
        try:
            found = datetime.fromisoformat(cell)
        except ValueError:
            raise ValueError(f"is no date like {format}: {cell[:30]!r}") from None
    if found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return (found - EPOCH) / DAY


def _read(cell: str, format: str) -> datetime:
    return _iso(cell, format) if format.startswith("%Y-%m-%d") else datetime.strptime(cell, format)


def _iso(cell: str, format: str) -> datetime:
    """Sixty times as fast as strptime; what it takes more than the format says is left to that."""
    found = datetime.fromisoformat(cell)
    plain = (len(cell) == 10) == (format == "%Y-%m-%d") and (found.tzinfo is not None) == ("%z" in format)
    exact = plain and (cell[10:11] == format[8:9]) and ("." in cell) == ("%f" in format) and (cell.count(":") > 1) == ("%S" in format)
    return found if exact else datetime.strptime(cell, format)


def date_of(value: float, format: str) -> str:
    """Days since 1970 as a date, within the years that a date can have."""
    first, last = (datetime.min - EPOCH) / DAY, (datetime.max - EPOCH) / DAY
    told = EPOCH + timedelta(microseconds=round(min(max(value, math.ceil(first)), math.floor(last)) * MICROSECONDS))
    return (told.replace(tzinfo=UTC) if "%z" in format else told).strftime(format)


def resolution(format: str) -> float:
    """Days between two dates that the format tells apart; of months, a day."""
    return next((step for mark, step in STEPS if mark in format), 1.0)


# ---------------------------------------------------------------- series
def clock_of(name: str, cells: Sequence[str]) -> tuple[Clock | None, int]:
    """(the clock of steps at these times, how many steps are left out); None where they are no dates, or follow no rule."""
    format = format_of(list(dict.fromkeys(cells)))
    if format is None or len(cells) < 2:
        return None, 0
    times = [days(cell, format) for cell in cells]
    moments = [EPOCH + timedelta(days=time) for time in times]
    same = len({(m.day, m.hour, m.minute, m.second) for m in moments}) == 1
    places = [12 * m.year + m.month for m in moments] if same else [round(time * 86400) for time in times]
    apart = [b - a for a, b in pairwise(places)]
    every = Counter(apart).most_common(1)[0][0]
    if every <= 0 or any(step <= 0 or step % every for step in apart):
        return None, 0
    clock = Clock(name=name, format=format, start=times[0], every=every, unit="month" if same else "second")
    return clock, sum(step // every - 1 for step in apart)


def time_of(clock: Clock, step: int) -> str:
    """When step number `step` is, as the data's own file would say it."""
    if clock.unit == "second":
        return date_of(clock.start + clock.every * step / 86400, clock.format)
    moment = moment_of(clock, step)
    return moment.strftime(clock.format) if moment else ""


def moment_of(clock: Clock, step: int) -> datetime | None:
    """When step number `step` is; None beyond the years that a date can have."""
    start = EPOCH + timedelta(days=clock.start)
    if clock.unit == "second":
        try:
            return start + timedelta(seconds=clock.every * step)
        except OverflowError:
            return None
    months = 12 * start.year + start.month - 1 + clock.every * step
    if not 1 <= months // 12 <= 9999:
        return None
    year, month = months // 12, months % 12 + 1
    return start.replace(year=year, month=month, day=min(start.day, monthrange(year, month)[1]))
