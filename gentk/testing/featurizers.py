"""Checks of featurizers: that a row's features are its own, always the same, and in the shape that metrics take."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import GentkError
from ..host import FeaturizerSpec
from ..host.specs import resolve
from ..protocols import Batch, DataSpec, Featurizer
from ..text import cause
from . import examples
from .offline import offline
from .registry import Failure, Skip, check
from .short import one_line
from .trial import once

if TYPE_CHECKING:
    from torch import Tensor

N = 24  # rows
EQUAL = 1e-9  # of the largest number: what a network's sums may differ by from one batch size to another
DOWNLOADS = "needs a download, and checks go offline"


class Refusal(Skip):
    """Examples that a featurizer does not take, and why."""


class FeaturizerTrial:
    """A featurizer of a plugin, and made-up examples of what it is for: of its modalities, and like those of its data sets. Where it names
    neither, it is tried on colour images."""

    def __init__(self, plugin: str, spec: FeaturizerSpec) -> None:
        self.plugin, self.spec = plugin, spec

    @once
    def made(self) -> dict[str, tuple[DataSpec, Featurizer]]:
        """One for each kind of example that it can be tried on. Raises Skip, with the reasons, where there is none."""
        found: dict[str, tuple[DataSpec, Featurizer]] = {}
        why: list[str] = []
        datasets = self.spec.datasets
        wanted = (*self.spec.modalities, *datasets)
        for name in wanted or ("image",):
            try:
                spec = (examples.spec_of_dataset if name in datasets else examples.spec_of)(name, self.plugin)
                found[f"{name} examples"] = spec, self.make(spec)
            except Refusal as reason:
                if wanted:
                    raise Failure(f"it is the default for {name}, and refuses examples {examples.described(spec)}: {reason}") from None
                why.append(str(reason))
            except Skip as reason:
                why.append(str(reason))
        if not found:
            raise Skip("; ".join(dict.fromkeys(why)))
        return found

    @property
    def sound(self) -> dict[str, tuple[DataSpec, Featurizer]]:
        """Those of `made`. Raises Skip where one fails, which featurizer-shape tells about."""
        try:
            return self.made  # type: ignore[no-any-return]
        except Skip:
            raise
        except Exception as error:
            raise Skip(f"see featurizer-shape: {error if isinstance(error, Failure) else cause(error)}") from None

    def make(self, spec: DataSpec) -> Featurizer:
        """One for these examples. Raises Refusal, with its reason, where it does not take them; Skip where it cannot be had here."""
        with offline() as tried:
            try:
                made: Featurizer = resolve(self.spec.target)(spec)
            except GentkError as error:
                kind = Skip if tried or os.environ.get("HF_HUB_OFFLINE") else Refusal
                raise kind(one_line(error)) from None
            except Exception:
                if tried:
                    raise Skip(DOWNLOADS) from None
                raise
        return made

    def of(self, made: Featurizer, batch: Batch, where: str) -> Mapping[str, Tensor]:
        """The features as evaluation asks for them. Raises Skip where they want a download, Failure where they cannot be had."""
        import torch

        with offline() as tried, torch.no_grad():
            try:
                return made.features(batch)
            except GentkError as error:
                if tried:
                    raise Skip(one_line(error)) from None
                raise Failure(f"{where}: {one_line(error)}") from None
            except Exception:
                if tried:
                    raise Skip(DOWNLOADS) from None
                raise


@check("featurizer")
def featurizer_shape(trial: FeaturizerTrial) -> None:
    """It gives "features" (n, d), of a classifier "logits" (n, K) for two classes or more besides, and nothing else: float64, on the host,
    finite. `id` is a text that can be printed, the same each time: it is part of every score, and of every key of the cache."""
    for where, (spec, made) in trial.made.items():
        ids = [one.id for one in (made, trial.make(spec))]
        if not isinstance(ids[0], str) or not ids[0].strip() or not ids[0].isprintable():
            raise Failure(f"its id is {ids[0]!r}: a text that can be printed, of the numbers that it computes with")
        if ids[0] != ids[1]:
            raise Failure(f"its id is {ids[0]!r}, and {ids[1]!r} of one made again: nothing that was kept would be found")
        for n in (N, 1):
            if wrong := _unsound(trial.of(made, examples.rows(spec, range(n)), where), n):
                raise Failure(f"{where}: {wrong}")


def _unsound(found: Any, n: int) -> str:
    """What is wrong with the features of n rows, or nothing."""
    import torch

    if not isinstance(found, Mapping) or "features" not in found:
        return f"it gives {sorted(found) if isinstance(found, Mapping) else type(found).__name__}, and no mapping with 'features'"
    for key, value in found.items():
        if key not in ("features", "logits"):
            return f"it gives '{key}', which is neither 'features' nor 'logits'"
        if not isinstance(value, torch.Tensor):
            return f"'{key}' is a {type(value).__name__}, not a tensor"
        least = 2 if key == "logits" else 1
        if value.ndim != 2 or len(value) != n or value.shape[1] < least:
            return f"'{key}' of {n} rows is {tuple(value.shape)}, must be ({n}, {'K' if key == 'logits' else 'd'})"
        if value.dtype != torch.float64 or value.device.type != "cpu":
            return f"'{key}' is {str(value.dtype).removeprefix('torch.')} on {value.device}, must be float64 on the host"
        if value.requires_grad or not bool(value.isfinite().all()):
            return f"'{key}' {'has gradients' if value.requires_grad else 'holds NaN or infinity'}"
    return ""


@check("featurizer")
def featurizer_deterministic(trial: FeaturizerTrial) -> None:
    """The features of a row are a function of that row. Asked again they are the same bits, whatever torch's own generators hold, and so
    are those of a featurizer made anew. In another order, in parts and alone they are the same to 1e-9 of the largest. The rows stay as
    they were. Features are kept in a cache by their rows, and distances are measured between them."""
    import torch

    for where, (spec, made) in trial.sound.items():
        batch = examples.rows(spec, range(N))
        before = {key: value.clone() for key, value in batch.items()}
        torch.manual_seed(0)
        whole = trial.of(made, batch, where)
        if changed := [key for key, value in before.items() if not _bits(value, batch[key])]:
            raise Failure(f"{where}: asking for features changes '{changed[0]}' of the rows")
        whole = {key: value.clone() for key, value in whole.items()}
        torch.manual_seed(1)
        for words, other in (("asked for again", made), ("of a featurizer made again", trial.make(spec))):
            again = trial.of(other, batch, where)
            if wrong := [key for key in whole if key not in again or not _bits(whole[key], again[key])]:
                raise Failure(f"{where}: '{wrong[0]}' {words} differ")
        backwards = trial.of(made, {key: value.flip(0) for key, value in batch.items()}, where)
        _near(whole, {key: value.flip(0) for key, value in backwards.items()}, f"{where}: in another order")
        for words, size in (("one by one", 1), ("in parts of seven", 7)):
            parts = [trial.of(made, part, where) for part in examples.parts(batch, (size,))]
            _near(whole, {key: torch.cat([part[key] for part in parts]) for key in whole}, f"{where}: {words}")


def _bits(one: Tensor, other: Tensor) -> bool:
    import torch

    return one.shape == other.shape and bool(torch.equal(one.nan_to_num(nan=7e77), other.nan_to_num(nan=7e77)))


def _near(whole: Mapping[str, Tensor], other: Mapping[str, Tensor], where: str) -> None:
    for key, value in whole.items():
        if value.shape != other[key].shape:
            raise Failure(f"{where} '{key}' are {tuple(other[key].shape)}, and {tuple(value.shape)} of all rows at once")
        off = float((value - other[key]).abs().max())
        if not off <= EQUAL * float(value.abs().max()):
            raise Failure(f"{where} '{key}' differ by {off:.2g}: a row's features depend on the rows beside it")


@check("featurizer")
def featurizer_refuses(trial: FeaturizerTrial) -> None:
    """Examples that it is not for (points, series, tables, texts, images of another size) it refuses with a GentkError in one line, when it
    is made; or else it takes them, and its features of them are sound. `--featurizer` may name any for any data."""
    known = [spec for spec, _ in trial.sound.values()]
    for name, spec in examples.others(known[0]).items():
        if any((one.modality, one.leaves) == (spec.modality, spec.leaves) for one in known):
            continue
        where = f"made for {name} examples {examples.described(spec)}"
        try:
            made = trial.make(spec)
            wrong = _unsound(trial.of(made, examples.rows(spec, range(N)), where), N)
        except Skip:
            continue
        except Failure:
            raise
        except Exception as error:
            raise Failure(f"{where}, it raises {cause(error)}: raise gentk.errors.GentkError, which says what it takes") from error
        if wrong:
            raise Failure(f"{where}, which it does not refuse: {wrong}")
