"""How fast a training goes, and how long it will take. No torch."""

from __future__ import annotations

import time
from collections import deque
from statistics import median

RECENT = 101  # rounds


class Pace:
    """The median duration of recent rounds: start-up, the first round and the pauses for previews do not count."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._recent: deque[float] = deque(maxlen=RECENT)

    def tick(self, now: float | None = None) -> None:
        """A round has just ended, at `now` seconds of any clock (default: the monotonic one)."""
        now = time.monotonic() if now is None else now
        if self._last is not None:
            self._recent.append(now - self._last)
        self._last = now

    @property
    def per_second(self) -> float | None:
        """Rounds per second; None before the second round has ended."""
        return 1 / max(median(self._recent), 1e-9) if self._recent else None

    def left(self, rounds: int) -> float | None:
        """Seconds that `rounds` more will take; None where it is too early to say."""
        return rounds / rate if (rate := self.per_second) else None
