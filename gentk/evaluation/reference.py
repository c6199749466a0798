"""The real examples that generated ones are measured beside: which data set, which rows, and which others are the floor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import GentkError, UsageError
from ..examples import some
from ..host import lookup
from ..permutation import Indices, mixed, permuted
from ..protocols import Dataset, DataSpec, Leaf
from .rows import Rows, held

MOST = 100_000  # training examples that a sample is compared with
ENDLESS = 10_000_000  # a data set with more is made on the fly, and nobody remembers it


class Reference(NamedTuple):
    """A data set by name. `options`: those that say what its examples are."""

    name: str
    split: str
    options: Mapping[str, Any]
    plugin: str | None = None

    def open(self, split: str | None = None) -> Dataset:
        return lookup.dataset(self.name, split or self.split, self.options, self.plugin)


def reference(name: str, options: Mapping[str, Any], split: str = "test", plugin: str | None = None) -> Reference:
    """Without those options that only change what a model is trained with (a field's `json_schema_extra={"training": True}`): samples of a
    model that saw binarised or shifted digits are measured beside digits."""
    fields = getattr(lookup.dataset_options(name, plugin), "model_fields", {})
    kept = {key: value for key, value in options.items() if not (getattr(fields.get(key), "json_schema_extra", None) or {}).get("training")}
    return Reference(name, split, kept, plugin)


class Real(NamedTuple):
    """`rows` beside the generated ones; `others`, as many again, for the floor; `training`, None where nobody could remember them, and
    `unseen`, those of them that the others are not among."""

    rows: Rows
    others: Rows
    training: Rows | None
    unseen: Rows | None


def real(source: Reference, n: int) -> Real:
    """n examples of the split, or all of it, always the same ones; the others are of the same split where it has 2n, else of the training
    split, else each is a half of what there is."""
    dataset = source.open()
    size = len(dataset)
    train = _training(source)
    if size >= 2 * n or train is None:
        half = min(n, size // 2)
        both = permuted(np.arange(2 * half, dtype=np.int64), size, mixed("some", size))
        rows, others, taken = held(dataset, both[:half]), held(dataset, both[half:]), 0
    else:
        taken = min(n, size, len(train) // 2)
        rows, others = held(dataset, some(size, n)), held(train, _order(train)[:taken])
    if train is None or len(train) > ENDLESS:
        return Real(rows, others, None, None)
    return Real(rows, others, held(train, _order(train)), held(train, _order(train)[taken:]))


def _order(train: Dataset) -> Indices:
    """Training examples, always the same ones in the same order."""
    n = len(train)
    return permuted(np.arange(min(n, MOST), dtype=np.int64), n, mixed("some", n))


def _training(source: Reference) -> Dataset | None:
    """The training split, if there is another one than the split at hand."""
    if source.split == "train":
        return None
    try:
        return source.open("train")
    except GentkError:
        return None


def check(source: Reference, data: DataSpec, title: str) -> None:
    """Raises UsageError where samples like `data` cannot be laid beside examples of the data set."""
    spec, remedy = source.open().spec, "give another --reference"
    if spec.modality != data.modality:
        raise UsageError(f"{title} makes {data.modality}, and data set '{source.name}' holds {spec.modality}: {remedy}")
    for key, leaf in data.leaves.items():
        theirs = spec.leaves.get(key)
        if theirs is None or (theirs.shape, theirs.classes) != (leaf.shape, leaf.classes):
            found = "none" if theirs is None else _said(theirs)
            raise UsageError(f"{title} makes '{key}' {_said(leaf)}, and data set '{source.name}' has {found}: {remedy}")


def _said(leaf: Leaf) -> str:
    return f"{leaf.shape} of {leaf.classes} classes" if leaf.classes else str(leaf.shape)
