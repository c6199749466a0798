"""What a name of weights means: an existing path, else an installed plugin or one of its recipes, else a Hub id. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import GentkError, UsageError, did_you_mean
from ..host import lookup
from .safety import CONFIG


class Located(NamedTuple):
    """Where weights lie, and what to call them."""

    folder: Path
    title: str


def locate(name: str) -> Located:
    """The folder that `name` means. Raises UsageError where it means nothing, GentkError where the folder holds no weights."""
    path = Path(name).expanduser()
    if path.exists():
        if not path.is_dir():
            raise UsageError(f"{name} is a file; weights are a folder with {CONFIG} and model.safetensors")
        if not (path / CONFIG).is_file():
            raise GentkError(f"{name} holds no {CONFIG}, so it is no folder of weights")
        return Located(path, path.name or name)
    plugin, slash, recipe = name.partition("/")
    if plugin in lookup.host().plugins:
        spec = lookup.recipe_spec(plugin, recipe or None)
        return Located(lookup.weights_path(plugin, spec.name), f"{plugin}/{spec.name}")
    if not slash or name.startswith((".", "/", "~")):
        if slash:
            raise UsageError(f"no folder {name}")
        raise lookup.host().unknown(name)
    raise UsageError(f"no folder and no plugin '{plugin}' for weights '{name}'{did_you_mean(plugin, lookup.host().plugins)}")
