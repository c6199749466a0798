"""What a name of weights means: an existing path, else an installed plugin or one of its recipes, else a Hub id. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import GentkError, UsageError, did_you_mean
from ..host import lookup
from ..host.catalogue import published
from . import hub
from .files import CONFIG


class Located(NamedTuple):
    """Where weights lie, and what to call them."""

    folder: Path
    title: str


def locate(name: str) -> Located:
    """The folder that `name` means; of a Hub id, the one in the client's cache, with config.json only until `hub.complete` is asked.

    Raises UsageError where it means nothing, GentkError where the folder holds no weights or the Hub gives none.
    """
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
    if plugin in published():  # whoever owns this name on the Hub is not meant
        raise lookup.host().unknown(plugin)
    if slash and path.parent != Path(".") and Path(plugin).is_dir():  # runs/x beside other runs: nobody means the Hub
        near = did_you_mean(path.name, sorted(other.name for other in path.parent.iterdir()) if path.parent.is_dir() else [])
        raise UsageError(f"no folder {name}{near}")
    if found := hub.repository(name):
        return on_the_hub(name, *found)
    if not slash and not name.startswith((".", "~")):
        raise lookup.host().unknown(name)
    raise UsageError(f"no folder {name}")


def on_the_hub(name: str, repo: str, revision: str | None) -> Located:
    """The weights of a repository. Raises GentkError: where there is none, whoever meant a folder or a plugin is told so."""
    from difflib import get_close_matches

    try:
        return Located(hub.describe(repo, revision), name)
    except hub.Missing as error:
        near = get_close_matches(repo.partition("/")[0], lookup.host().plugins, n=1, cutoff=0.6)
        maybe = f"; did you mean plugin {near[0]!r}?" if near else ""
        raise type(error)(f"no folder {name} here, and {error}{maybe}") from error


def bundled(plugin: str, recipe: str | None = None) -> Located:
    """The weights that a plugin ships for a recipe (its first), whatever lies in the current folder. Raises UsageError."""
    spec = lookup.recipe_spec(plugin, recipe)
    return Located(lookup.weights_path(plugin, spec.name), f"{plugin}/{spec.name}")
