"""What weights were trained on. Their recipe may be somebody else's: it says which data set, never where on this machine to look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GentkError, UsageError
from ..host import lookup
from ..runs import RECIPE, Run
from .config import wrong_data
from .files import read_toml, shown
from .hub import cache

if TYPE_CHECKING:
    from ..protocols import Dataset
    from ..recipes import DatasetPart


def dataset_of(
    folder: Path, config: Mapping[str, Any], title: str, name: str | None = None, split: str = "test", **changed: Any
) -> Dataset:
    """The data set called `name`, or the one that the weights in `folder` (of this config) were trained on. Raises what `trained_on` does.

    `changed`: options in place of those that it was trained with, where the data set knows them.
    """
    plugin = str(config["plugin"])
    if name:
        return lookup.dataset(name, split, plugin=plugin)
    trained, foreign = _trained_on(folder, config, title)
    known = getattr(lookup.dataset_options(trained.name, plugin), "model_fields", {})
    options = {**trained.options, **{key: value for key, value in changed.items() if key in known}}
    source = lookup.dataset(trained.name, split, options, plugin)
    if foreign and (wrong := wrong_data(source.spec)):
        raise GentkError(f"{folder / RECIPE}: the data set {shown(trained.name)}: {wrong}")
    return source


def trained_on(folder: Path, config: Mapping[str, Any], title: str) -> DatasetPart:
    """The data set that the weights in `folder` (of this config) were trained on, by name. Raises UsageError where nobody knows, and where
    only a recipe that may be somebody else's says which file, folder or weights to read."""
    return _trained_on(folder, config, title)[0]


def _trained_on(folder: Path, config: Mapping[str, Any], title: str) -> tuple[DatasetPart, bool]:
    """With whether it is a stranger's word."""
    plugin, recipe = str(config["plugin"]), str(config.get("recipe") or "")
    if (folder / RECIPE).exists():  # `state/` is what training leaves on its machine, and what nobody pushes or pulls
        trained, foreign = said_in(folder), bool(cache.owner(folder.resolve())) or not Run(folder).state.is_dir()
    elif recipe in lookup.specs("recipes", plugin):
        trained, foreign = lookup.recipe(plugin, recipe).dataset, False
    else:
        raise UsageError(f"{title} does not say what it was trained on: give --dataset")
    if foreign and (place := place_in(trained.name, trained.options)) is not None:
        what = f"{title} says that it was trained on {shown(trained.name)}, with '{shown(place)}'"
        raise UsageError(f"{what}: gentk follows no path or name that weights bring along; give --dataset if you mean it")
    return trained, foreign


def said_in(folder: Path) -> DatasetPart:
    """[dataset] of recipe.toml in a folder that nobody vouches for; its options are the data set's to check. Raises GentkError."""
    from .. import recipes

    path, tables = folder / RECIPE, read_toml(folder, RECIPE)
    try:
        part: DatasetPart = recipes.validate(recipes.DatasetPart, tables.get("dataset", {}), str(path), ("dataset",))
    except UsageError as error:
        raise GentkError(shown(" ".join(str(error).split()), 400)) from None
    if not part.name.isprintable():
        raise GentkError(f"{path}: '{shown(part.name)}' is no data set")
    return part


def place_in(name: str, options: Mapping[str, Any]) -> str | None:
    """What follows the colon of a data set's name, or the first option that could be a path or an address."""
    _, colon, argument = name.partition(":")
    if colon:
        return argument
    return next((text for text in _texts(options) if text.startswith(".") or any(c in text for c in "/\\:~")), None)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (str(key), *_texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
