"""Weights for cards, and ways to read one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCard

import gentk
from gentk.host.lookup import build_model, sampler
from gentk.protocols import DataSpec, Leaf

NAMES = ("title", "about", "preview", "use", "training", "scores", "size", "licence", "limits")
LABELLED = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))}, conditions={"label": Leaf(classes=3, names=("a", "b", "c"))})
RECIPE = """
[model]
plugin = "ddpm"
name = "ddpm-points"
[dataset]
name = "moons"
options = { noise = 0.1 }
[training]
steps = 2000
batch_size = 256
lr = 3e-3
"""

METRICS = {
    "format": 1,
    "dataset": {"name": "moons", "split": "test"},
    "scores": [{"name": "energy distance", "value": 0.01234567, "examples": 2000}, {"name": "nll", "value": 2, "more": "is passed over"}],
}


def roll(place: Path) -> Path:
    """Small, sound weights, with a recipe."""
    torch.manual_seed(0)
    model = build_model("ddpm", "ddpm-points", {"width": 8, "blocks": 1, "label_dropout": 0.1}, LABELLED)
    gentk.save(model, place, sampler=sampler("heun", steps=3))
    (place / "recipe.toml").write_text(RECIPE)
    return place


def change(folder: Path, alter: Callable[[dict[str, Any]], None]) -> None:
    about = json.loads((folder / "config.json").read_text())
    alter(about)
    (folder / "config.json").write_text(json.dumps(about))


def head(text: str) -> dict[str, Any]:
    """What the Hub's own reader finds in the head."""
    return dict(ModelCard(text).data.to_dict())


def section(text: str, name: str) -> str:
    found = re.search(rf"^<!-- gentk:{name} [0-9a-f]{{12}} -->\n(.*?)\n<!-- /gentk:{name} -->$", text, re.M | re.S)
    return found[1] if found else ""


def names(text: str) -> list[str]:
    return re.findall(r"^<!-- gentk:([a-z]+) [0-9a-f]{12} -->$", text, re.M)
