"""Small sound weights, and what is changed in them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import gentk
from gentk.errors import GentkError
from gentk.host.lookup import build_model, sampler
from gentk.protocols import DataSpec, Leaf

DATA = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))}, conditions={"label": Leaf(classes=3, names=("a", "b", "c"))})
CONFIG = {"width": 8, "blocks": 1, "label_dropout": 0.2}


def model(data: DataSpec = DATA, **config: Any) -> Any:
    """A model of points, its numbers drawn."""
    torch.manual_seed(0)
    made = build_model("ddpm", "ddpm-points", {**CONFIG, **config}, data)
    for p in made.parameters():
        torch.nn.init.normal_(p)
    return made


def save(folder: Path, **options: Any) -> Path:
    gentk.save(model(), folder, sampler=sampler("heun", steps=4), **options)
    return folder


def refused(folder: Path) -> str:
    """The message: one line that a terminal can show. Without the path to the folder, which has the test's own words in it."""
    with pytest.raises(GentkError) as error:
        gentk.load(folder)
    message = str(error.value)
    assert message.isprintable() and len(message) < 600, message
    return message.replace(str(folder.parent), "")


def config(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "config.json"
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any], name: str = "model.safetensors") -> None:
    path = folder / name
    found = load_file(path)
    change(found)
    save_file(found, path)


def header(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the header's text, and say its new length."""
    path = folder / "model.safetensors"
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    new = change(raw[8 : 8 + length])
    path.write_bytes(struct.pack("<Q", len(new)) + new + raw[8 + length :])
