"""What a run needs to go on exactly: raw weights, averages, optimizers and a few numbers. One folder per checkpoint, renamed whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import GentkError

FORMAT = 1
NUMBERS = "state.json"


def write(folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], numbers: Mapping[str, Any]) -> None:
    """`folder/step-00001000/{NAME.safetensors …, state.json}`. The older checkpoint goes only when the new one is complete."""
    final = folder / f"step-{step:08d}"
    if final.exists():
        return
    temporary = folder / f".{final.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, group in tensors.items():
        save_file({key: value.detach().cpu().contiguous().clone() for key, value in group.items()}, str(temporary / f"{name}.safetensors"))
    (temporary / NUMBERS).write_text(json.dumps({"format": FORMAT, "step": step, **numbers}), "utf-8")
    os.replace(temporary, final)
    for old in folder.glob("step-*"):
        if old != final:
            shutil.rmtree(old, ignore_errors=True)


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint. What a killed run left half-written has a dot before its name and is passed over."""
    return max(folder.glob("step-*"), default=None)


def read(checkpoint: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """(tensors by file, numbers) of a checkpoint. Raises GentkError where it is damaged."""
    try:
        numbers = json.loads((checkpoint / NUMBERS).read_text("utf-8"))
        tensors = {path.stem: load_file(path) for path in sorted(checkpoint.glob("*.safetensors"))}
    except Exception as error:
        why = " ".join(str(error).split())[:120]
        raise GentkError(f"{checkpoint}: the saved state cannot be read ({why}); remove it, then resume") from None
    if numbers.get("format") != FORMAT:
        raise GentkError(f"{checkpoint}: the state has format {numbers.get('format')}, this gentk reads {FORMAT}")
    return tensors, numbers
