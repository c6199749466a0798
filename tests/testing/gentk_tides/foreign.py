"""What others write and measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read(folder: Path) -> Any:
    raise NotImplementedError


def write(model: Any, folder: Path) -> None:
    raise NotImplementedError


def range_error(drawn: Any, data: Any) -> float:
    return float(abs(drawn["x"].amax() - data["x"].amax()))
