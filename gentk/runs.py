"""The folder of a run: weights, the resolved recipe, the log, the loss picture, previews, and the state to go on from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECIPE, LOG, PICTURE, SAMPLES, STATE, BEST = "recipe.toml", "log.jsonl", "loss.png", "samples", "state", "best"


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
    def exists(self) -> bool:
        return self.recipe.is_file()

    def log(self) -> list[dict[str, Any]]:
        """The rows of log.jsonl; what is none, as a last line cut by a kill or a number beyond 64 bits, is passed over."""
        rows = []
        path = self.folder / LOG
        for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
            try:
                rows.append(json.loads(line, parse_int=_whole))
            except ValueError:
                continue
        return rows

    def append(self, row: Mapping[str, Any]) -> None:
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def cut_log(self, step: int) -> None:
        """Forget what came after round `step`: a resumed run writes it again."""
        rows = [row for row in self.log() if row.get("step", 0) <= step]
        temporary = self.folder / (LOG + ".tmp")
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        os.replace(temporary, self.folder / LOG)


def _whole(digits: str) -> int:
    """An integer of 64 bits. Raises ValueError for any other: one of 400 digits is no float, and cannot be drawn."""
    if not -(1 << 63) <= (number := int(digits)) < 1 << 63:
        raise ValueError(f"{len(digits)} digits")
    return number
