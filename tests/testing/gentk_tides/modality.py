"""Charts: what every modality must know, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gentk.modalities import Modality
from gentk.protocols import Batch, DataSpec


class Chart(Modality):
    name = "chart"

    def check(self, spec: DataSpec) -> None: ...

    def save(self, batch: Batch, spec: DataSpec, path: Path) -> None:
        path.write_bytes(b"")

    def read(self, path: str | Path, shape: tuple[int, ...]) -> Any:
        import numpy as np

        return np.zeros(shape, np.float32)
