"""Where what a recipe names comes from: an author's workspace has more installed than whoever installs the plugin."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError
from typing import Any

from ..errors import GentkError
from ..host import lookup
from .plugins import PluginTrial
from .registry import Failure, Skip, check

OWN_ONLY = ("dev", "test", "tests", "docs", "lint")  # extras for working on a plugin, which nobody installs to use it


@check("plugin")
def recipes_installable(trial: PluginTrial) -> None:
    """The data set, the modality of its examples, the model and the sampler that a recipe, a check recipe or the default sampler of a model
    names come from the plugin itself, from gentk, or from a distribution that the plugin's requires, outright or in an extra for its users
    (`gentk-tides[data]`). The author has all of them installed; whoever installs the plugin has what its metadata say."""
    here: set[str] | None = None
    for about, kind, name in _named(trial):
        try:
            owner = lookup.find(kind, name, trial.name).plugin
        except GentkError:  # told by specs-resolve, or by has-recipe
            continue
        if owner in (lookup.CORE, trial.name):
            continue
        here = required(trial.distribution) if here is None else here
        distribution = lookup.host().plugins[owner].origin.distribution
        if normal(distribution) not in here:
            raise Failure(f"{about}: {lookup.one(kind)} '{name}' comes from {distribution}, which {trial.distribution.name} does not "
                          "require: add it to `dependencies`, or to an extra, in its pyproject.toml")  # fmt: skip


def _named(trial: PluginTrial) -> Iterator[tuple[str, str, str]]:
    """(where, kind, name) of all that the plugin's recipes and models name, wherever it comes from."""
    from .. import recipes

    offered = trial.offers("recipes")
    models = trial.offers("models")
    for spec in models:
        if spec.sampler:
            yield f"model '{spec.name}'", "samplers", spec.sampler
    files = [(f"recipe '{spec.name}'", spec.path) for spec in offered]
    files += [(f"check '{spec.check}'", spec.check) for spec in models if spec.check]
    if not files:
        raise Skip("it has no recipes")
    for about, path in dict(files).items():
        try:
            raw: dict[str, Any] = recipes.read(trial.package / path)
        except (GentkError, OSError):
            continue
        data, sampler = (_text(raw, part, "name") for part in ("dataset", "sampler"))
        if data:
            yield about, "datasets", data.partition(":")[0]
            yield from _modality(about, data.partition(":")[0], raw, trial.name)
        if sampler:
            yield about, "samplers", sampler
        owner = _text(raw, "model", "plugin")
        if owner and owner != trial.name:
            yield about, "models", f"{owner}/{_text(raw, 'model', 'name')}"


def _modality(about: str, data: str, raw: dict[str, Any], plugin: str) -> Iterator[tuple[str, str, str]]:
    try:
        spec = lookup.find("datasets", data, plugin).spec
    except GentkError:
        return
    options = raw.get("dataset", {}).get("options", {})
    for name in (spec.modality, options.get("modality") if isinstance(options, dict) else None):
        if isinstance(name, str) and name:
            yield about, "modalities", name


def _text(raw: dict[str, Any], part: str, key: str) -> str:
    table = raw.get(part)
    found = table.get(key) if isinstance(table, dict) else None
    return found if isinstance(found, str) else ""


def normal(name: str) -> str:
    """A distribution's name as metadata compare it."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def required(distribution: Distribution) -> set[str]:
    """What comes along with a distribution, or with an extra of it for users, at any depth, as far as it is installed here."""
    from packaging.requirements import Requirement

    known: dict[str, set[str]] = {}
    own = {extra for extra in distribution.metadata.get_all("Provides-Extra") or () if extra not in OWN_ONLY}
    queue: list[tuple[Distribution, set[str]]] = [(distribution, own)]
    while queue:
        holder, extras = queue.pop()
        for text in holder.requires or ():
            wanted = Requirement(text)
            name, asked = normal(wanted.name), set(wanted.extras)
            if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                continue
            if name in known and asked <= known[name]:
                continue
            known[name] = known.get(name, set()) | asked
            try:
                queue.append((Distribution.from_name(wanted.name), known[name]))
            except PackageNotFoundError:  # another check's matter
                continue
    return set(known)
