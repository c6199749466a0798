"""What there is to measure with: the rows of each side, and what they cannot have, and why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import GentkError, UsageError
from ..examples import fetch, some
from ..inference import likelihood, reconstruction
from ..inference.classification import log_prior
from ..inference.likelihood import kind_of
from ..inference.sampling import default_sampler
from ..protocols import Batch, DataSpec, Featurizer, Likelihood, Sampler, Side, can
from .cache import Cache
from .choosing import Chosen
from .featurizers import featurizer
from .measuring import Sides
from .reference import Reference, check, real
from .rows import Rows, classified, described, drawn, given, held, likely, rebuilt

LEAST = 2  # real examples that anything is laid beside
QUICK = 1000  # samples where nobody says how many
NO_MODEL = "there are only samples, no model"


@dataclass(frozen=True)
class Request:
    """What is to be measured: a `model`, or `samples` in its place, (n, …) as `data` says, beside `reference`. `own`: the data set as the
    model was trained on it, which it is asked about. `options` go to each metric that knows them; `plugin`: whose metrics also count.
    `n`: how many samples; None: a quick look, of as many as there are real examples at most. `possible`: of the metrics that are asked
    for, those that cannot be measured are passed over."""

    title: str
    reference: Reference
    data: DataSpec
    model: Any = None
    own: Reference | None = None
    samples: Batch | None = None
    n: int | None = None
    seed: int = 0
    sampler: Sampler | None = None
    cond: Mapping[str, Any] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    featurizer: str | None = None
    plugin: str | None = None
    cached: bool = True
    possible: bool = False


class Material(NamedTuple):
    """`sides` of a comparison; `floor`, the same with real examples in place of generated ones; `own`, examples that the model is asked
    about. `has`: what rows can have, and why not where they cannot. `spec`: what the reference's examples are."""

    sides: Sides
    floor: Sides
    own: Rows | None
    featurizer: Featurizer | None
    has: Mapping[str, str]
    spec: DataSpec


def material(request: Request, cache: Cache) -> Material:
    """Nothing is drawn yet. Raises UsageError where samples and reference do not fit together."""
    check(request.reference, request.data, request.title)
    dataset = request.reference.open()
    spec, own = dataset.spec, _own(request)
    has = {
        "labels": "" if "label" in _conditions(request) and "label" in spec.conditions else "samples or examples have no label",
        "log_prob": _no_likelihood(request) or own[1],
        "log_label": _no_classes(request, spec) or own[1],
        "reconstruction": NO_MODEL if request.model is None else _why(lambda: reconstruction.check(request.model)) or own[1],
    }
    if len(dataset) < LEAST:
        few = f"{request.reference.name}, split {request.reference.split}, has {len(dataset)}: too few to lay samples beside"
        return Material({}, {}, own[0], None, {**dict.fromkeys(("samples", "features", "logits", "training"), few), **has}, spec)
    size = _size(request, len(dataset))
    found = real(request.reference, size)
    generated, has["samples"] = _generated(request, size, cache)
    features, has["features"] = _featurizer(request, spec)
    has["training"] = "" if found.training else "there is no training split that anyone could remember"
    rows: dict[Side, Rows | None] = {"generated": generated, "real": found.rows, "training": found.training}
    sides: Sides = {side: one for side, one in rows.items() if one is not None}
    floor: Sides = {**sides, "generated": found.others, **({"training": found.unseen} if found.unseen else {})}
    has["logits"] = has["features"]
    if features is not None:
        sides, floor = ({side: described(one, features, cache) for side, one in every.items()} for every in (sides, floor))
        if "logits" not in features.features(fetch(dataset, range(2))):
            has["logits"] = f"the featurizer {features.id} is no classifier"
    return Material(sides, floor, own[0], features, has, spec)


def _size(request: Request, there: int) -> int:
    """How many samples: where nobody says, as many as there are real examples at most, as a floor of fewer would not compare."""
    if request.samples is not None:
        rows = len(next(iter(request.samples.values())))
        return rows if request.n is None else min(request.n, rows)
    return min(QUICK, there) if request.n is None else request.n


def _conditions(request: Request) -> Collection[str]:
    """What samples were asked for."""
    return request.samples if request.samples is not None else request.model.conditions if request.model is not None else ()


def _generated(request: Request, size: int, cache: Cache) -> tuple[Rows | None, str]:
    if request.samples is not None:
        return given({key: value[:size] for key, value in request.samples.items()}), ""
    try:
        sampler = request.sampler or default_sampler(request.model)
    except UsageError as error:
        return None, str(error)
    return drawn(request.model, size, seed=request.seed, sampler=sampler, cond=request.cond, cache=cache), ""


def _featurizer(request: Request, spec: DataSpec) -> tuple[Featurizer | None, str]:
    try:
        return featurizer(request.featurizer, spec, request.reference.name), ""
    except GentkError as error:
        if request.featurizer:
            raise
        return None, str(error)


def _no_likelihood(request: Request) -> str:
    model = request.model
    if model is None:
        return NO_MODEL
    if why := _why(lambda: likelihood.asked(model)):
        return why
    if not can(model, Likelihood) and not {"nll", "perplexity"} & set(request.metrics):
        return "by the probability-flow ODE it takes long: ask for it by name"
    return ""


def _no_classes(request: Request, spec: DataSpec) -> str:
    model = request.model
    if model is None:
        return NO_MODEL
    if "label" not in spec.conditions:
        return "examples have no label"
    if hasattr(model, "log_label"):
        return ""
    slow = "Bayes' rule with a likelihood that is only estimated takes long: ask for it by name"
    return _why(lambda: log_prior(model)) or ("" if kind_of(model) == "exact" or "accuracy" in request.metrics else slow)


def _own(request: Request) -> tuple[Rows | None, str]:
    if request.own is None:
        return None, "nobody knows what the model was trained on"
    try:
        dataset = request.own.open()
    except GentkError as error:
        return None, str(error)
    return held(dataset, some(len(dataset), request.n or QUICK)), ""


def asked(own: Rows, model: Any, metric: Chosen, seed: int, cache: Cache) -> Rows:
    """Examples with what the model says of them, as far as the metric needs it."""
    rows = likely(own, model, seed, cache) if "log_prob" in metric.spec.needs else own
    rows = classified(rows, model, seed, cache) if "log_label" in metric.spec.needs else rows
    return rebuilt(rows, model, cache) if "reconstruction" in metric.spec.needs else rows


def _why(act: Callable[[], Any]) -> str:
    try:
        act()
    except GentkError as error:
        return str(error)
    return ""
