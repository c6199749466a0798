"""Examples that a command looks at: from a file, or from the data set that the weights were trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ..errors import UsageError
from ..host import lookup
from . import choices
from .subject import Subject

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Dataset

File = Annotated[str | None, Option("--source", metavar="FILE|DIR", help="The examples: a picture, a folder of them, .csv, .npz …")]
Dataset_ = Annotated[
    str | None,
    Option("--dataset", metavar="NAME", help="A data set. \\[default: that of the weights]", autocompletion=choices.datasets),
]
Split = Annotated[str, Option(metavar="NAME", help="Which part of the data set.")]


def dataset_of(found: Subject, name: str | None = None, split: str = "test") -> Dataset:
    """The data set called `name`, or the one that the weights were trained on. Raises UsageError where nobody knows."""
    if name:
        return lookup.dataset(name, split, plugin=found.plugin)
    own, recipe = found.folder / "recipe.toml", str(found.config.get("recipe") or "")
    if not own.is_file() and recipe not in lookup.specs("recipes", found.plugin):
        raise UsageError(f"{found.title} does not say what it was trained on: give --dataset")
    trained = lookup.recipe(found.plugin, str(own) if own.is_file() else recipe).dataset
    return lookup.dataset(trained.name, split, trained.options, found.plugin)


def examples(found: Subject, file: str | None, dataset: str | None, split: str, n: int, asked: dict[str, Any]) -> dict[str, Tensor]:
    """{"x": (n, …), conditions}: the first `n` of the data set, or what the file holds. `asked` replaces the conditions of the data."""
    import torch

    from ..protocols import DataSpec
    from ..training.order import fetch

    data, conditions = DataSpec.model_validate(found.config["data"]), found.conditions()
    if file and dataset:
        raise UsageError("--source and --dataset both say what the examples are: give one")
    if file:
        x = torch.as_tensor(lookup.modality(data.modality).read(file, data.shape))
        batch = {"x": (x if x.ndim > len(data.shape) else x[None])[:n]}
    else:
        source = dataset_of(found, dataset, split)
        batch = dict(fetch(source, range(min(n, len(source)))))
        if batch["x"].shape[1:] != data.shape:
            raise UsageError(f"these examples are {tuple(batch['x'].shape[1:])}, {found.title} knows {data.shape}")
    rows = len(batch["x"])
    for key, condition in conditions.items():
        value = condition.prepare(asked[key], rows) if key in asked else batch.get(key, condition.null(rows))
        if value is None:
            raise UsageError(f"say which {key} these are: --{key}")
        batch[key] = value
    return {key: value for key, value in batch.items() if key == "x" or key in conditions}
