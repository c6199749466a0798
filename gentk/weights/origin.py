"""What weights were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..host import lookup

if TYPE_CHECKING:
    from ..protocols import Dataset


def dataset_of(
    folder: Path, config: Mapping[str, Any], title: str, name: str | None = None, split: str = "test", **changed: Any
) -> Dataset:
    """The data set called `name`, or the one that the weights in `folder` (of this config) were trained on. Raises UsageError where
    nobody knows.

    `changed`: options in place of those that it was trained with, where the data set knows them.
    """
    plugin = str(config["plugin"])
    if name:
        return lookup.dataset(name, split, plugin=plugin)
    own, recipe = folder / "recipe.toml", str(config.get("recipe") or "")
    if not own.is_file() and recipe not in lookup.specs("recipes", plugin):
        raise UsageError(f"{title} does not say what it was trained on: give --dataset")
    trained = lookup.recipe(plugin, str(own) if own.is_file() else recipe).dataset
    known = getattr(lookup.dataset_options(trained.name, plugin), "model_fields", {})
    changed = {key: value for key, value in changed.items() if key in known}
    return lookup.dataset(trained.name, split, {**trained.options, **changed}, plugin)
