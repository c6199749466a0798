"""How much memory there is, and whether what is asked for fits, before anything large is made."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import UsageError
from .text import size

LITTLE = 1 << 24  # bytes that nobody need count: the system takes longer to answer than a sampler to draw them


def available() -> int | None:
    """Bytes that a process can still have, without swapping; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def check(count: float, what: str) -> None:
    """Raise UsageError if `count` bytes, needed for `what`, are more than there are."""
    if count > LITTLE and (free := available()) is not None and count > free:
        raise UsageError(f"{what} take {size(count)} of memory, and {size(free)} are free: ask for fewer")
