"""Several models beside the same real examples: their scores and ranks, what they cost, and samples of equal seeds and labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..conditions import Label
from ..errors import GentkError, UsageError
from ..examples import fetch, some
from ..inference.samples import Samples
from ..inference.sampling import default_sampler, final_data
from ..protocols import Batch, DataSpec, Score
from ..runs import LOG, Run
from ..stages import stages
from ..weights.files import member
from ..weights.names import Located, locate
from ..weights.safety import read_config, read_header
from .cache import digest, opened
from .evaluate import Evaluation, evaluated
from .material import QUICK, Request
from .ranking import Entrant, Rank, ranked
from .reference import Reference, check, real
from .requests import of_weights, source_of
from .rows import SECONDS, Rows, drawn

SHOWN, CLOUD = 16, 1000  # examples that are shown of each model; of vectors, which are dots
PEEK = 8  # examples by which two data sets are known to be the same
TOLD = 0.5  # the least share of a log that has to say how fast the training was


@dataclass(frozen=True)
class Cost:
    """What the weights weigh, and what the log of their run says of the training: rounds, and seconds on whatever machine it was."""

    parameters: int
    bytes: int
    steps: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Entry:
    """One model. `samples`: those that are shown, or `why` there are none; `labelled`: whether it was asked for the labels; `asked`: a
    digest of the examples that a likelihood or a reconstruction is measured on, empty where there are none."""

    name: str
    result: Evaluation
    cost: Cost
    samples: Samples | None
    why: str
    labelled: bool
    asked: str

    def score(self, name: str) -> Score | None:
        return next((score for score in self.result.scores if score.name == name), None)


@dataclass(frozen=True)
class Comparison:
    """`examples`: real ones, as many as are shown of each model, the i-th with the label that the i-th samples were asked for.
    `labels`: of these, empty where the data have none. `apart`: models' own scores that were measured on different examples, or of examples
    with a label by some models and without it by others."""

    reference: Reference
    n: int
    seed: int
    examples: Samples
    labels: Sequence[int]
    entries: Sequence[Entry]
    ranks: Mapping[str, Mapping[str, Rank]]
    apart: Sequence[str]

    @property
    def metrics(self) -> list[str]:
        """The names of all scores, in the order in which they were measured."""
        return list(dict.fromkeys(score.name for entry in self.entries for score in entry.result.scores))


def compared(
    names: Sequence[str],
    *,
    reference: str | None = None,
    split: str = "test",
    metrics: Sequence[str] = (),
    featurizer: str | None = None,
    n: int = QUICK,
    seed: int = 0,
    shown: int | None = None,
    device: str = "auto",
    cached: bool = True,
) -> Comparison:
    """Measure weights (by name, as for `gentk.load`) beside one reference, and rank them.

    `reference`: a data set by name; without, what the first weights were trained on. `metrics`: by name; one that a model cannot have is
    passed over for this model. `shown`: how many samples of each are kept. Raises UsageError for fewer than two models, for one that makes
    other examples than the reference has, and whatever `evaluated` refuses.
    """
    found = named(names)
    source = source_of(found[0].folder, found[0].title, reference, split)
    for one in found:  # before anything is measured
        config = read_config(one.folder)
        check(source, DataSpec.model_validate((config.get("latents") or config)["data"]), one.title)
    examples, labels = beside(source, n, shown)
    more: dict[str, Any] = {"metrics": metrics, "featurizer": featurizer, "n": n, "seed": seed, "cached": cached, "possible": True}
    entries = [
        entered(one, of_weights(one.folder, one.title, source, split, device, **more), labels, len(examples))
        for one in stages(found, len(found))
    ]
    ranks, apart = standings(entries)
    return Comparison(source, n, seed, examples, labels, entries, ranks, apart)


def named(names: Sequence[str]) -> list[Located]:
    """The weights, each by a name of its own: two folders called alike go by what was typed. Raises UsageError."""
    if len(names) < 2:
        raise UsageError("a comparison wants two models or more: gentk compare ddpm vae/mnist")
    found = [locate(name) for name in names]
    for i, one in enumerate(found):
        if one.folder.resolve() in [other.folder.resolve() for other in found[:i]]:
            raise UsageError(f"'{names[i]}' is named twice: the same weights would be compared with themselves")
    titles = [one.title for one in found]
    return [Located(one.folder, one.title if titles.count(one.title) == 1 else name) for one, name in zip(found, names, strict=True)]


def entered(one: Located, request: Request, labels: Sequence[int], size: int) -> Entry:
    """Measure one model and draw what is shown of it."""
    result = evaluated(request)  # which refuses what cannot be measured before anything is drawn
    samples, why, labelled = shown_of(request, labels, size)
    return Entry(one.title, result, cost_of(one.folder), samples, why, labelled, asked_about(request.own, request.model))


# ---------------------------------------------------------------- what is shown
def beside(source: Reference, n: int, shown: int | None) -> tuple[Samples, list[int]]:
    """Real examples to be shown, and their labels. Of pictures there is one of each class, over and over; dots are in the data's shares."""
    dataset = source.open()
    spec = dataset.spec
    dots = spec.modality == "points"
    size = shown or (CLOUD if dots else SHOWN)
    rows = real(source, max(n, size)).rows
    label = spec.conditions.get("label")
    wanted = [i % label.classes for i in range(size)] if label is not None and label.classes and not dots else []
    batch = matching(rows, wanted) or rows.part(range(min(size, rows.n)))
    labels = [int(k) for k in batch["label"].reshape(-1)] if label is not None and label.classes else []
    labels = labels if label is not None and all(0 <= k < label.classes for k in labels) else []
    return Samples({key: value.detach().cpu() for key, value in batch.items()}, spec), labels


def matching(rows: Rows, labels: Sequence[int]) -> Batch:
    """Different rows with these labels, in this order; a label that too few rows have is left out. Empty where no row has one."""
    kept: dict[int, list[dict[str, Tensor]]] = {}
    missing = {k: list(labels).count(k) for k in labels}
    for chunk in rows.chunks() if labels else ():
        batch = rows.part(chunk)
        for i, k in enumerate(int(k) for k in batch["label"].reshape(-1)):
            if missing.get(k, 0):
                missing[k] -= 1
                kept.setdefault(k, []).append({key: value[i] for key, value in batch.items()})
        if not any(missing.values()):
            break
    picked = [kept[k].pop(0) for k in labels if kept.get(k)]
    return {key: torch.stack([row[key] for row in picked]) for key in picked[0]} if picked else {}


def shown_of(request: Request, labels: Sequence[int], size: int) -> tuple[Samples | None, str, bool]:
    """The first samples of the seed, for these labels where the model takes them: what gentk sample draws. Else why there are none."""
    model = request.model
    known, spec = model.conditions.get("label"), request.reference.open().spec.conditions.get("label")
    labelled = bool(labels) and isinstance(known, Label) and spec is not None and known.classes == spec.classes
    try:
        sampler = default_sampler(model)
    except UsageError as error:
        return None, str(error), False
    cond = {"label": list(labels)} if labelled else {}
    with opened(request.cached) as cache, torch.no_grad():
        rows = drawn(model, size, seed=request.seed, sampler=sampler, cond=cond, cache=cache)
        parts = [rows.part(chunk) for chunk in rows.chunks()]
    batch = {key: torch.cat([part[key] for part in parts]) for key in parts[0] if key != SECONDS}
    return Samples(batch, final_data(model)), "", labelled


# ---------------------------------------------------------------- what is compared
def standings(entries: Sequence[Entry]) -> tuple[dict[str, dict[str, Rank]], list[str]]:
    """The ranks by each score, and the scores that have none as each model was asked about examples of its own."""
    ranks: dict[str, dict[str, Rank]] = {}
    apart = []
    for name in dict.fromkeys(score.name for entry in entries for score in entry.result.scores):
        having = [(entry, score) for entry in entries if (score := entry.score(name)) is not None]
        if any(score.reference is None for _, score in having) and len({entry.asked for entry, _ in having}) > 1:
            apart.append(name)
            continue
        found = ranked({entry.name: Entrant(score, entry.result.halves.get(name, ())) for entry, score in having})
        if found:
            ranks[name] = found
    return ranks, apart


def asked_about(own: Reference | None, model: Any) -> str:
    """A digest of what a model is asked about: the data set that it was trained on, as far as it looks at it.

    Likelihoods of digits in black and white do not compare with those of grey ones, densities not with probabilities of levels, p(x|y) not
    with p(x).
    """
    if own is None:
        return ""
    try:
        dataset = own.open()
        data = final_data(model)
        batch = fetch(dataset, some(len(dataset), PEEK))
    except GentkError:
        return ""
    levels = {key: leaf.levels for key, leaf in sorted(data.leaves.items())}
    return digest(f"{len(dataset)} {levels}", {key: value for key, value in batch.items() if key in data.leaves or key in model.conditions})


# ---------------------------------------------------------------- what it cost
def cost_of(folder: Path) -> Cost:
    """From the header of the weights and, where there is one, the log of their run."""
    header = read_header(folder)
    try:
        member(folder, LOG)
        log = Run(folder).log()
    except GentkError:
        log = []
    steps = max((row["step"] for row in log), default=None)
    return Cost(header.parameters, header.bytes, steps, seconds_of(log))


def seconds_of(log: Sequence[Mapping[str, Any]]) -> float | None:
    """How long the training took, by its steps per second from row to row; None where less than half of the log says them."""
    told, seconds, rounds = 0, 0.0, 0
    for count, speed in _paces(log):
        rounds += count
        if type(speed) in (int, float) and 0 < speed < float("inf"):
            told, seconds = told + count, seconds + count / speed
    return seconds * rounds / told if told and told >= TOLD * rounds else None


def _paces(log: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Any]]:
    """Rounds since the row before, and how many a second there were."""
    last = 0
    for row in log:
        if row["step"] > last:
            yield row["step"] - last, row.get("steps_per_second")
            last = row["step"]
