"""The folder of a run: weights, the resolved recipe, the log, the loss picture, previews, and the state to go on from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .distribution import require
from .errors import GentkError, UsageError, did_you_mean
from .text import warn

RECIPE, LOG, PICTURE, SAMPLES, STATE, BEST = "recipe.toml", "log.jsonl", "loss.png", "samples", "state", "best"
LOCK = ".lock"  # held by the process that trains
LOGGERS = ("jsonl", "tensorboard", "wandb")  # where a log goes; but for the first, which is LOG, the name is that of a package
LARGEST = 500_000_000  # bytes of a log


@dataclass(frozen=True)
class Run:
    """A run is weights: whatever takes weights takes its folder."""

    folder: Path

    @property
    def recipe(self) -> Path:
        return self.folder / RECIPE

    @property
    def state(self) -> Path:
        return self.folder / STATE

    @property
    def samples(self) -> Path:
        return self.folder / SAMPLES

    @property
    def picture(self) -> Path:
        return self.folder / PICTURE

    @property
    def log_file(self) -> Path:
        return self.folder / LOG

    @property
    def exists(self) -> bool:
        return self.recipe.is_file()

    def log(self) -> list[dict[str, Any]]:
        """The rows of log.jsonl, each with its "step". What is no row is passed over: a last line cut by a kill, damaged bytes."""
        return self._read()[0]

    def _read(self) -> tuple[list[dict[str, Any]], int]:
        """(rows, how many lines are none). Raises GentkError for a log that is too large."""
        if not self.log_file.is_file():
            return [], 0
        if (size := self.log_file.stat().st_size) > LARGEST:
            raise GentkError(f"{self.log_file} has {size / 1e6:.0f} MB; at most {LARGEST / 1e6:.0f} are read: move it away")
        rows, damaged = [], 0
        with self.log_file.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    row = json.loads(line, parse_int=_whole)
                except (ValueError, RecursionError):
                    row = None
                if isinstance(row, dict) and type(row.get("step")) is int:
                    rows.append(row)
                else:
                    damaged += 1
        return rows, damaged

    def append(self, row: Mapping[str, Any]) -> None:
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def cut_log(self, step: int) -> None:
        """Forget what came after round `step`: a resumed run writes it again."""
        rows, damaged = self._read()
        if damaged > 1:  # one line is what a kill leaves
            warn(f"{self.log_file}: {damaged} lines are damaged and are left out")
        temporary = self.folder / (LOG + ".tmp")
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows if row["step"] <= step), "utf-8")
        os.replace(temporary, self.log_file)


def check_loggers(names: Iterable[str]) -> None:
    """Raise UsageError for a name that is no logger's, and for a logger whose package is not installed."""
    for name in names:
        if name not in LOGGERS:
            raise UsageError(f"no logger '{name}'{did_you_mean(name, LOGGERS)}")
        if name != LOGGERS[0]:
            require(name, f"logger {name}")


def _whole(digits: str) -> int:
    """An integer of 64 bits. Raises ValueError for any other: one of 400 digits is no float, and cannot be drawn."""
    if not -(1 << 63) <= (number := int(digits)) < 1 << 63:
        raise ValueError(f"{len(digits)} digits")
    return number
