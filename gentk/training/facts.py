"""Where and how a training computes, and how much memory it took."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

FILE = "run.json"


def facts(device: torch.device, autocast: torch.dtype | None) -> dict[str, Any]:
    """The device, the precision of its layers, and the threads of the host."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    precision = "float32" if autocast is None else str(autocast).removeprefix("torch.")
    return {"precision": precision, "device": name, "threads": torch.get_num_threads()}


def write(folder: Path, found: Mapping[str, Any]) -> None:
    """`run.json`, under a temporary name first. A resumed run says where it goes on."""
    temporary = folder / f".{FILE}.tmp"
    temporary.write_text(json.dumps(dict(found)) + "\n", "utf-8")
    os.replace(temporary, folder / FILE)


def peak_memory(device: torch.device) -> float | None:
    """The most memory that was in use so far, in MB: of the device, or of this process; None where nobody knows."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    try:
        import resource
    except ImportError:  # Windows
        return None
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)
