"""Examples that a command looks at: from a file, or from the data set that the weights were trained on."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ..errors import UsageError
from ..host import lookup
from ..text import note
from . import choices
from .subject import Subject

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Dataset, DataSpec



def there(path: str | None) -> str | None:
    """The file or folder, if it is there: told before any weights are loaded. Raises UsageError."""
    if path is None:
        return None
    found = Path(path).expanduser()
    if not found.exists():
        raise UsageError(f"no file {path}")
    return str(found)


File = Annotated[
    str | None,
    Option("--source", metavar="FILE|DIR", help="The examples: a picture, a folder of them, .csv, .npz …", callback=there),
]
Dataset_ = Annotated[
    str | None,
    Option("--dataset", metavar="NAME", help="A data set. \\[default: that of the weights]", autocompletion=choices.datasets),
]
Split = Annotated[str, Option(metavar="NAME", help="Which part of the data set.")]
Part = Annotated[str | None, Option("--split", metavar="NAME", help="Which part of the data set. \\[default: test]")]


def dataset_of(found: Subject, name: str | None = None, split: str | None = None, **changed: Any) -> Dataset:
    """The data set called `name`, or the one that the weights were trained on; `changed`: some of its options. Raises UsageError."""
    from ..weights.origin import dataset_of as trained_on

    return trained_on(found.folder, found.config, found.title, name, split or "test", **changed)


def examples(
    found: Subject,
    file: str | None,
    dataset: str | None,
    split: str | None,
    n: int | None,
    asked: dict[str, Any],
    *,
    few: int = 16,
    whole: bool = True,
    optional: Collection[str] = (),
    gaps: bool = False,
) -> dict[str, Tensor]:
    """Leaves and conditions, (n, …) each: n of the data set or file, always the same choice. `asked` replaces the data's conditions.

    Where n is not said: `few` of a data set; of a file all, or as few and that is said unless `whole`.

    `optional`: conditions that may stay unsaid where the examples do not say them; of any other that has no "none", UsageError asks.
    `gaps`: numbers may be missing, and are NaN then.
    """
    from ..inference.opening import opened
    from ..protocols import DataSpec

    data, conditions = DataSpec.model_validate(found.rows()), found.conditions()
    if file and dataset:
        raise UsageError("--source and --dataset both say what the examples are: give one")
    if file and split:
        raise UsageError("--split says which part of a data set: leave it out with --source")
    if "x" not in data.leaves:
        raise UsageError(f"{found.title} makes {', '.join(data.leaves)}: this command looks at examples that are one x")
    if file:
        known = from_file(file, data, n or (None if whole else few), gaps)
        if n is None and not whole and len(known["x"]) == few:
            note(f"{file}: {few} of its examples; -n takes more")
    else:
        known = from_dataset(dataset_of(found, dataset, split), data, n or few, found.title)
    batch = {key: known[key] for key in data.leaves}
    rows, asked = len(batch["x"]), opened(asked, conditions)
    for key, condition in conditions.items():
        try:
            given = asked.get(key, known.get(key) if file else None)
            value = condition.prepare(given, rows) if given is not None else known.get(key, condition.null(rows))
        except ValueError as error:
            raise UsageError(f"{key}: {error}") from None
        if value is not None:
            batch[key] = value
        elif key not in optional:
            raise UsageError(f"say which {key} these are: --{key}")
    return batch


def from_file(file: str, data: DataSpec, n: int | None, gaps: bool) -> dict[str, Tensor]:
    """n examples of a file (None: all; always the same choice, in their order), of the kinds of number that the data are; conditions under
    their own names."""
    import torch

    from ..examples import some

    read = lookup.modality(data.modality).read_examples(file, data, gaps=gaps)
    batch = {key.removeprefix("cond_"): torch.as_tensor(value) for key, value in read.items()}
    if n is not None and n < len(batch["x"]):
        chosen = torch.from_numpy(some(len(batch["x"]), n)).sort().values
        batch = {key: value[chosen] for key, value in batch.items()}
    for key, leaf in data.leaves.items():
        if key not in batch:
            raise UsageError(f"{file} holds no '{key}' of its examples: give an .npz that has it")
        if leaf.classes and not batch[key].isnan().any():
            batch[key] = batch[key].long()
    return batch


def from_dataset(source: Dataset, data: DataSpec, n: int, title: str) -> dict[str, Tensor]:
    """n examples of a data set (all, or always the same choice of them), if the model can know them."""
    from ..examples import fetch, some

    batch = dict(fetch(source, some(len(source), n)))
    for key, leaf in data.leaves.items():
        if key not in batch:
            raise UsageError(f"these examples have no '{key}', and {title} wants it")
        if tuple(batch[key].shape[1:]) != leaf.shape:
            raise UsageError(f"these examples are {tuple(batch[key].shape[1:])}, {title} knows {leaf.shape}")
    return batch
