"""Files that stand for the values of conditions, read by the modality that the host knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..host import lookup
from ..protocols import Condition


def opened(asked: Mapping[str, Any], conditions: Mapping[str, Condition]) -> dict[str, Any]:
    """`asked`, with a file's numbers where its name stood for them, and what that file says of other conditions that nobody asked for
    (the label among the columns of known rows). Raises UsageError naming the condition."""
    found: dict[str, Any] = dict(asked)
    told: dict[str, Any] = {}
    for name, condition in conditions.items():
        if isinstance(asked.get(name), str) and hasattr(condition, "read"):
            try:
                rows = contents(asked[name], condition)
            except ValueError as error:
                raise UsageError(f"{name}: {error}") from None
            found[name] = rows["x"]
            told |= {key.removeprefix("cond_"): value.tolist() for key, value in rows.items() if key.startswith("cond_")}
    return {**{key: value for key, value in told.items() if key in conditions}, **found}


def contents(file: str, condition: Any) -> dict[str, Any]:
    """What one file holds for a condition: x, and `cond_NAME` of others. Raises UsageError for a file that is none of its modality."""
    read: dict[str, Any] = condition.read(file, lookup.modality(condition.modality))
    return read
