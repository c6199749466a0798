"""A data set as a model can take it: rows of columns as vectors for one that does not know columns, and float32 for networks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch

from ..data.latents import Latents
from ..examples import fetch, some
from ..permutation import Indices
from ..protocols import Batch, Dataset, StatisticsModel, can
from ..table_encoding import TableEncoding

LOST = 1e-3  # of a number's deviation, beyond which float32 is said to lose it
LOOKED_AT = 1000


def fitting(dataset: Dataset, kind: type, *, like: Dataset | None = None) -> Dataset:
    """The data set as a model of class `kind` is trained on it; `like`: one that was fitted before, whose encoding is taken over."""
    found = encoded(dataset, kind, getattr(like, "decoder", None))
    doubles = any(leaf.double for leaf in found.spec.leaves.values())
    return Narrow(found, quiet=like is not None) if doubles and not can(kind, StatisticsModel) and not statistical(kind) else found


def encoded(dataset: Dataset, kind: type, by: TableEncoding | None = None) -> Dataset:
    """The data set as a model of class `kind` can take it: its rows as vectors where they have columns that the model does not know.

    `by`: an encoding that is fitted already. A class that knows columns says `columns = True`.
    """
    leaf = dataset.spec.leaves.get("x")
    if leaf is None or not leaf.columns or len(leaf.shape) != 1 or leaf.classes or getattr(kind, "columns", False):
        return dataset
    return Latents(dataset, by or TableEncoding.of(dataset))


def statistical(kind: type) -> bool:
    """Whether a class fits by sums; `passes` may be the instance's."""
    return hasattr(kind, "statistics") and hasattr(kind, "update")


class Narrow:
    """A data set whose doubles are float32, for networks."""

    def __init__(self, source: Dataset, *, quiet: bool = False) -> None:
        self.source = source
        leaves = {key: leaf.model_copy(update={"double": False}) for key, leaf in source.spec.leaves.items()}
        self.spec = source.spec.model_copy(update={"leaves": leaves})
        self.decoder: Any
        if hasattr(source, "decoder"):
            self.decoder = source.decoder
        if not quiet:
            self._warn()

    def _warn(self) -> None:
        """Says where float32 holds numbers by less than a thousandth of their deviation."""
        batch = fetch(self.source, some(len(self.source), LOOKED_AT))
        for key, leaf in self.source.spec.leaves.items():
            if leaf.double and len(batch[key]) > 1:
                x = batch[key].double().flatten(1)
                lost = (x - x.float().double()).abs().amax(0) / x.std(0).clamp(min=torch.finfo(torch.float64).tiny)
                if bool((lost[x.std(0) > 0] > LOST).any()):
                    why = "float32, in which networks compute, holds these numbers too coarsely: subtract their mean first"
                    print(f"{key}: {why}", file=sys.stderr)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Batch:
        return {key: value.float() if value.dtype == torch.float64 else value for key, value in self.source[index].items()}

    def batch(self, indices: Sequence[int] | Indices, noise: Any = None) -> Batch:
        found = fetch(self.source, indices, noise)
        return {key: value.float() if value.dtype == torch.float64 else value for key, value in found.items()}
