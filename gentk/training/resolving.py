"""What a data set chose itself, written into the recipe: a run that is gone on with, or made again, takes the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..protocols import Dataset
from ..recipes import Recipe


def resolved(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with the options that its data set chose, its attribute `resolved`: the commit of a branch, the size of images."""
    chosen: Mapping[str, Any] = getattr(dataset, "resolved", {})
    if not chosen:
        return recipe
    part = recipe.dataset.model_copy(update={"options": {**recipe.dataset.options, **chosen}})
    return recipe.model_copy(update={"dataset": part})


def taken_over(before: Recipe, now: Recipe) -> Recipe:
    """The recipe that a run goes on with: where it leaves an option of the data open, that of the run itself."""
    if before.dataset.name != now.dataset.name:
        return now
    part = now.dataset.model_copy(update={"options": {**before.dataset.options, **now.dataset.options}})
    return now.model_copy(update={"dataset": part})
