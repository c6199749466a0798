"""Checks of data sets: that examples are what their DataSpec says, and that they are functions of their index."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from functools import cached_property
from io import StringIO
from typing import TYPE_CHECKING, Any

from ..host import DatasetSpec, lookup
from ..host.specs import resolve
from .fitting import fits
from .offline import offline
from .registry import Failure, Skip, check

if TYPE_CHECKING:
    from torch import Tensor

LOOKED_AT = 32  # examples of each split, spread evenly


class DatasetTrial:
    """A data set of a plugin, with its default options."""

    def __init__(self, plugin: str, spec: DatasetSpec) -> None:
        self.plugin, self.spec, self._made = plugin, spec, dict[str, Any]()

    @cached_property
    def options(self) -> Any:
        """The pydantic class of its options, or None."""
        return resolve(self.spec.options) if self.spec.options else None

    def make(self, split: str) -> Any:
        """A split, made once. Raises Skip where it cannot be had: it wants an argument, or the network."""
        if split not in self._made:
            try:
                self._made[split] = self.again(split)
            except Skip as why:
                self._made[split] = why
        if isinstance(self._made[split], Skip):
            raise self._made[split]
        return self._made[split]

    def again(self, split: str) -> Any:
        """A split, made anew."""
        if self.spec.argument:
            raise Skip(f"wants {self.spec.name}:{self.spec.argument.upper()}")
        if required := [name for name, field in getattr(self.options, "model_fields", {}).items() if field.is_required()]:
            raise Skip(f"its option '{required[0]}' must be given")
        with offline() as tried, redirect_stderr(StringIO()):  # "downloading …", which it does not
            try:
                return lookup.dataset(self.spec.name, split, plugin=self.plugin)
            except Exception:
                if tried:
                    raise Skip("needs a download, and checks go offline") from None
                raise

    def indices(self, split: str) -> list[int]:
        """Indices of a split, the first and the last among them."""
        n = len(self.make(split))
        if n < 1:
            raise Failure(f"split '{split}' is empty")
        return sorted({round(i * (n - 1) / (LOOKED_AT - 1)) for i in range(LOOKED_AT)})


@check("dataset")
def dataset_options(trial: DatasetTrial) -> None:
    """A key that the data set does not know is refused, not ignored: whoever writes `nosie = 0.1` into a recipe must hear of it."""
    wrong = "gentk_no_such_option"
    if trial.options is None:
        target = resolve(trial.spec.target)
        if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(target).parameters.values()):
            raise Failure(f"{trial.spec.target} takes any key: name its options, or give a pydantic class of them")
        return
    from pydantic import ValidationError

    try:
        trial.options.model_validate({wrong: 1})
    except ValidationError as error:
        if any(e["type"] == "extra_forbidden" and e["loc"] == (wrong,) for e in error.errors()):
            return
    raise Failure(f"{trial.options.__name__} ignores a key it does not know: model_config = ConfigDict(extra=\"forbid\")")


@check("dataset")
def examples_fit_spec(trial: DatasetTrial) -> None:
    """Examples of every split hold the leaves and conditions of the DataSpec and nothing else, with their shapes, dtypes, ranges and
    classes; the spec is the same in every split. Models are built from the spec alone, and pictures are drawn by it."""
    first = trial.make(trial.spec.splits[0]).spec
    if trial.spec.modality not in ("", first.modality):
        raise Failure(f"its hook says modality '{trial.spec.modality}', its data '{first.modality}'")
    _frequencies(first)
    for split in trial.spec.splits:
        dataset = trial.make(split)
        spec = dataset.spec
        if (spec.modality, spec.leaves, spec.conditions) != (first.modality, first.leaves, first.conditions):
            raise Failure(f"split '{split}' has another spec than '{trial.spec.splits[0]}'")
        wanted = {**spec.leaves, **spec.conditions}
        for i in trial.indices(split):
            example = dataset[i]
            fits(example, wanted, f"example {i} of '{split}'")
            if extra := sorted(set(example) - set(wanted)):
                raise Failure(f"example {i} of '{split}' holds '{extra[0]}', which its spec does not name")


def _frequencies(spec: Any) -> None:
    for name, shares in spec.frequencies.items():
        if name not in spec.conditions:
            raise Failure(f"frequencies of '{name}', which is no condition")
        if len(shares) != spec.conditions[name].classes or min(shares) < 0 or abs(sum(shares) - 1) > 1e-3:
            raise Failure(f"frequencies of '{name}' must be a share for each of its {spec.conditions[name].classes} classes, summing to 1")


@check("dataset")
def examples_pure(trial: DatasetTrial) -> None:
    """Example i is a function of i: the same whenever it is asked for, whatever was asked before, and in another data set made with the
    same options. `batch(indices, noise)` is a function of the indices and the noise, row by row; with None for noise, and where it draws
    nothing, it is the examples stacked. A thread makes no difference, as training asks from one. No split is another one again. Training
    resumes exactly, and ranks agree, because of this."""
    import torch

    _apart(trial)
    for split in trial.spec.splits:
        dataset, indices = trial.make(split), trial.indices(split)
        before = [{key: value.clone() for key, value in dataset[i].items()} for i in indices]
        again = trial.again(split)
        for i, example in reversed(list(zip(indices, before, strict=True))):
            for other, why in ((dataset, "asked for again"), (again, "of the same data set made again")):
                _same(example, other[i], f"example {i} of '{split}' {why} differs")
        if hasattr(dataset, "batch"):
            stacked = {key: torch.stack([example[key] for example in before]) for key in before[0]}
            _batches(dataset, indices, stacked, split)
        with ThreadPoolExecutor(1) as beside:  # as training asks
            there = beside.submit(lambda ask, i: ask[i], dataset, indices[0]).result()
        _same(before[0], there, f"example {indices[0]} of '{split}' in another thread differs")


def _apart(trial: DatasetTrial) -> None:
    """Raises Failure where two splits are of one length and all that is looked at of them is the same, though not all alike."""
    looked: dict[tuple[Any, ...], str] = {}
    for split in trial.spec.splits:
        dataset = trial.make(split)
        rows = [str({key: value.tolist() for key, value in dataset[i].items()}) for i in trial.indices(split)]
        other = looked.setdefault((len(dataset), *rows), split)
        if other != split and len(set(rows)) > 1:
            raise Failure(f"split '{split}' holds the examples of '{other}': what is measured on it says nothing")


def _batches(dataset: Any, indices: list[int], stacked: Mapping[str, Tensor], split: str) -> None:
    from ..noise import Philox

    def batch(order: list[int], seed: int) -> Mapping[str, Tensor]:
        found: Mapping[str, Tensor] = dataset.batch([indices[i] for i in order], Philox(seed, order))
        return found

    order = list(range(len(indices)))
    whole, turned = batch(order, 0), batch(order[::-1], 0)
    fits(whole, {**dataset.spec.leaves, **dataset.spec.conditions}, f"batch of '{split}'", (len(order),))
    _same(whole, batch(order, 0), f"batch of '{split}' asked for again differs")
    _same(whole, {key: value.flip(0) for key, value in turned.items()}, f"batch of '{split}' in another order holds other rows")
    part = {key: value[:3] for key, value in whole.items()}
    _same(part, batch(order[:3], 0), f"batch of '{split}' with fewer rows holds others")
    _same(stacked, dataset.batch(indices, None), f"batch of '{split}' without noise is not its examples stacked")
    other = batch(order, 1)
    if all(torch_equal(whole[key], other[key]) for key in whole):  # no augmentation
        _same(stacked, whole, f"batch of '{split}' is not its examples stacked")


def torch_equal(one: Tensor, other: Tensor) -> bool:
    """The same shape, dtype and values."""
    import torch

    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor], wrong: str) -> None:
    for key, value in one.items():
        if key not in other or not torch_equal(value, other[key]):
            raise Failure(f"{wrong} in '{key}'")


