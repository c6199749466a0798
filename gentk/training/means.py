"""What a row of the log says: the mean of each value over the rounds since the last row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Means:
    """Running sums of logged values. A value counts in the rounds that logged it, so a phase's mean is over the rounds in which it ran."""

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, int]] = {}

    def add(self, logs: Mapping[str, float]) -> None:
        for name, value in logs.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = total + value, count + 1

    def take(self) -> dict[str, float]:
        """The means so far; the next ones begin anew."""
        found = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums = {}
        return found

    def state(self) -> dict[str, Any]:
        return {name: list(pair) for name, pair in self.sums.items()}

    def restore(self, numbers: Mapping[str, Any]) -> None:
        self.sums = {name: (float(total), int(count)) for name, (total, count) in numbers.items()}
