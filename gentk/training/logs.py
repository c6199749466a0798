"""What rounds logged. The numbers stay where they were computed until somebody reads them, as a device computes ahead of its host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class Logs(Mapping[str, float]):
    """The values of one round, by name. Asking for a value waits for the device; asking for the names does not."""

    def __init__(self, values: Mapping[str, float] | None = None) -> None:
        self._values: dict[str, float | None] = dict(values or {})
        self._waiting: list[tuple[list[str], Tensor]] = []

    def write(self, names: Sequence[str], values: Tensor) -> None:
        """`values` (len(names),), on any device."""
        self._values.update(dict.fromkeys(names))
        self._waiting.append((list(names), values))

    def __getitem__(self, name: str) -> float:
        if self._waiting:
            read([self])
        value = self._values[name]
        assert value is not None
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))


def read(many: Iterable[Logs]) -> None:
    """Bring the values of many rounds to the host, in one transfer."""
    waiting = [(logs, names, values) for logs in many for names, values in logs._waiting]
    if not waiting:
        return
    numbers = iter(torch.cat([values for _, _, values in waiting]).tolist())
    for logs, names, _ in waiting:
        logs._values.update({name: next(numbers) for name in names})
        logs._waiting = []


class Means:
    """What a row of the log says: the mean of each value over the rounds since the last row. A value counts in the rounds that logged it,
    so a phase's mean is over the rounds in which it ran."""

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
