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
    plugin, slash, recipe = name.partition("/")
    installed = plugin in lookup.host().plugins
    if path.exists() and not (installed and not (path / CONFIG).is_file()):  # a plugin is not hidden by any folder of its name
        if not path.is_dir():
            raise UsageError(f"{name} is a file; weights are a folder with {CONFIG} and model.safetensors")
        if not (path / CONFIG).is_file():
            raise GentkError(f"{name} holds no {CONFIG}, so it is no folder of weights")
        return Located(path, path.resolve().name or "weights")
    if installed:
        return bundled(plugin, recipe or None)
    if not slash or name.startswith((".", "/", "~")):
        if slash:
            raise UsageError(f"no folder {name}")
        raise lookup.host().unknown(name)
    raise UsageError(f"no folder and no plugin '{plugin}' for weights '{name}'{did_you_mean(plugin, lookup.host().plugins)}")


def bundled(plugin: str, recipe: str | None = None) -> Located:
    """The weights that a plugin ships for a recipe (its first), whatever lies in the current folder. Raises UsageError."""
    spec = lookup.recipe_spec(plugin, recipe)
    return Located(lookup.weights_path(plugin, spec.name), f"{plugin}/{spec.name}")
