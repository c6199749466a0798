"""Run as a program: uses a hostile folder in every way, and tells what Python was asked for meanwhile. Arguments: the folder."""

from __future__ import annotations

import json
import os
import pickle
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
import torch

import gentk
from gentk import cli
from gentk.errors import GentkError
from gentk.weights import card, origin, safety

FOLDER = Path(sys.argv[1]).resolve()
ALARMING = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.", "pickle.", "socket.connect", "ctypes.dlopen")
seen: dict[str, set[str]] = {"opened": set(), "run": set(), "alarming": set(), "unpickled": set()}
watching = False


def inside(path: object) -> str:
    """The path in the folder; "" for what lies elsewhere."""
    text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
    return os.path.relpath(text, FOLDER) if not text.startswith("<") and os.path.abspath(text).startswith(f"{FOLDER}{os.sep}") else ""


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not watching:
        return
    if event == "open" and (name := inside(arguments[0])):
        seen["opened"].add(name)
    elif event in ("exec", "compile", "import"):
        file = getattr(arguments[0], "co_filename", None) or (arguments[1] if len(arguments) > 1 else None)
        if name := inside(file):
            seen["run"].add(name)
    elif event.startswith(ALARMING):
        seen["alarming"].add(event)


def refusing(name: str) -> Any:
    def call(*args: object, **kwargs: object) -> None:
        seen["unpickled"].add(name)
        raise AssertionError(f"{name} was called")

    return call


for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load"), (torch.serialization, "load")):
    setattr(module, name, refusing(f"{module.__name__}.{name}"))
real = numpy.load
numpy.load = lambda file, *args, **options: (refusing("numpy.load")() if options.get("allow_pickle") else real(file, *args, **options))
sys.addaudithook(watch)

gentk.sample(gentk.load("ddpm/moons"), 2, steps=2)  # what is imported on the way is no part of what is watched
watching = True
folder = str(FOLDER)
os.chdir(FOLDER)  # where a module of the folder's would be found first
model = gentk.load(folder)
gentk.sample(model, 4, steps=2)
codes = [
    cli.run(["inspect", folder]),
    cli.run(["inspect", ".", "--json"]),
    cli.run(["sample", "--weights", ".", "-n", "2", "--steps", "2", "--out", str(FOLDER.parent / "out.npz")]),
    cli.run(["sample", "--weights", folder, "--help"]),
]
config = safety.read_config(FOLDER)
origin.dataset_of(FOLDER, config, "these")
with suppress(GentkError):  # metrics.json is no JSON
    card.card(FOLDER, config, existing=(FOLDER / "README.md").read_text())
watching = False
print(json.dumps({key: sorted(names) for key, names in seen.items()} | {"codes": codes}))
