"""Where rows come from: a model's draws, a data set, a file; each in chunks, with what a metric needs of them added."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import GentkError
from ..examples import fetch
from ..inference import likelihood, reconstruction
from ..inference.classification import classify
from ..inference.sampling import place_of, sample
from ..permutation import Indices, mixed
from ..protocols import Batch, Dataset, Featurizer, Sampler
from ..text import cause
from ..weights.folder import describe, kept
from .cache import Cache, digest

CHUNK = 250  # rows that are made, kept and measured together
SECONDS = "seconds"  # beside drawn rows: how long they took


@dataclass(frozen=True)
class Rows:
    """n rows, any part of which can be asked for again."""

    n: int
    part: Callable[[range], Batch]

    def chunks(self, share: range | None = None) -> Iterator[range]:
        """CHUNK rows each; `share`: only these of the chunks."""
        starts = range(0, self.n, CHUNK)
        for start in starts if share is None else starts[share.start : share.stop]:
            yield range(start, min(start + CHUNK, self.n))

    @property
    def number(self) -> int:
        """Of chunks."""
        return -(-self.n // CHUNK)

    def pick(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """These rows, in their order: of the chunks that they are in, as these are kept."""
        found = []
        for i in indices:
            start = i - i % CHUNK
            batch = self.part(range(start, min(start + CHUNK, self.n)))
            found.append({key: value[i - start] for key, value in batch.items() if key != SECONDS})
        return {key: torch.stack([row[key] for row in found]) for key in found[0]} if found else {}

    def adding(self, more: Callable[[Batch, range], Mapping[str, Tensor]]) -> Rows:
        """The same rows with what `more` says of them."""

        def part(rows: range) -> Batch:
            batch = self.part(rows)
            return {**batch, **more(batch, rows)}

        return Rows(self.n, part)


def drawn(model: Any, n: int, *, seed: int, sampler: Sampler, cond: Mapping[str, Any], cache: Cache) -> Rows:
    """Samples 0 … n − 1 of a seed, with "seconds" () that drawing each part took."""
    asked = [digest(name, {"": value} if isinstance(value, Tensor) else repr(value)) for name, value in sorted(cond.items())]
    key = digest(key_of(model), _settings(sampler), json.dumps([seed, *asked]))  # repr says all of a list, and cuts a long tensor

    def draw(rows: range) -> dict[str, Tensor]:
        start = time.perf_counter()
        batch = sample(model, n, seed=seed, sampler=sampler, cond=cond, rows=rows).batch
        return {**batch, SECONDS: torch.tensor(time.perf_counter() - start, dtype=torch.float64)}

    return Rows(n, lambda rows: cache.tensors(digest(key, f"{rows.start}-{rows.stop}"), lambda: draw(rows)))


def key_of(model: Any) -> str:
    """Of everything that a model's numbers depend on."""
    return digest(json.dumps(describe(model), sort_keys=True), kept(model), f"{torch.__version__} {place_of(model).device.type}")


def _settings(sampler: Any) -> str:
    return f"{type(sampler).__module__}.{type(sampler).__qualname__} {sampler.model_dump_json()}"


def held(dataset: Dataset, indices: Indices) -> Rows:
    """These examples of a data set."""
    return Rows(len(indices), lambda rows: fetch(dataset, indices[rows.start : rows.stop]))


def given(batch: Batch) -> Rows:
    """Rows in hand."""
    return Rows(len(next(iter(batch.values()))), lambda rows: {key: value[rows.start : rows.stop] for key, value in batch.items()})


def described(rows: Rows, featurizer: Featurizer, cache: Cache) -> Rows:
    """With "features", and "logits" where the featurizer is a classifier. Raises GentkError where it fails."""

    def features(batch: Batch) -> Mapping[str, Tensor]:
        try:
            return featurizer.features(batch)
        except GentkError:
            raise
        except Exception as error:
            raise GentkError(f"the featurizer {featurizer.id} failed: {cause(error)}") from error

    def more(batch: Batch, _: range) -> Mapping[str, Tensor]:
        own = {key: value for key, value in batch.items() if key != SECONDS}
        return cache.tensors(digest("features", featurizer.id, own), lambda: features(own))

    return rows.adding(more)


def likely(rows: Rows, model: Any, seed: int, cache: Cache) -> Rows:
    """With "log_prob", (n,) nats."""
    own = key_of(model)

    def more(batch: Batch, part: range) -> Mapping[str, Tensor]:
        asked = _known(model, batch)
        key = digest("log_prob", own, asked, f"{seed} {part.start}")
        return cache.tensors(key, lambda: {"log_prob": likelihood.log_prob(model, asked, seed=mixed(f"{seed}", part.start)).double()})

    return rows.adding(more)


def classified(rows: Rows, model: Any, seed: int, cache: Cache) -> Rows:
    """With "log_label", (n, K)."""
    own = key_of(model)

    def more(batch: Batch, part: range) -> Mapping[str, Tensor]:
        asked = {key: value for key, value in batch.items() if key in model.data.leaves}
        key = digest("log_label", own, asked, f"{seed} {part.start}")
        return cache.tensors(key, lambda: {"log_label": classify(model, asked, seed=mixed(f"{seed}", part.start))})

    return rows.adding(more)


def rebuilt(rows: Rows, model: Any, cache: Cache) -> Rows:
    """With "reconstruction", as x."""
    own = key_of(model)

    def more(batch: Batch, _: range) -> Mapping[str, Tensor]:
        asked = _known(model, batch)
        return cache.tensors(digest("reconstruction", own, asked), lambda: {"reconstruction": reconstruction.reconstruct(model, asked)})

    return rows.adding(more)


def _known(model: Any, batch: Batch) -> Batch:
    """What the model takes of examples; a condition that they do not have is left out, or the model's "none"."""
    found = {key: value for key, value in batch.items() if key in model.data.leaves or key in model.conditions}
    for key, condition in model.conditions.items():
        if key not in found and (null := condition.null(len(next(iter(batch.values()))))) is not None:
            found[key] = null
    return found
