"""That what a model is told makes a difference, and that what it cannot be told is refused."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from ...noise import Philox
from ...protocols import Blendable, Decoder, can
from ..registry import Failure, Skip, check
from ..trial import ModelTrial, N
from .answers import answers, dealt, differ, distance, draws, latents
from .sampling import CLOSE


@check("model")
def conditions_matter(trial: ModelTrial) -> None:
    """Each condition changes what the model answers: two values, and where there is a trained "none" that too, give different samples (of
    what draws nothing, other codes or evidence) with the same seed. A condition that changes nothing is one that the net never sees."""
    model = trial.model
    if not model.conditions:
        raise Skip("it has no conditions")
    tried = 0
    for name, condition in model.conditions.items():
        values = _values(trial, condition)
        given = [draws(trial, model, {name: value}) or answers(trial, model, {name: value}) for value in values]
        if len(values) < 2 or not given[0]:
            continue
        tried += 1
        for (one, first), (other, second) in combinations(zip(("a value", "another", "none"), given, strict=False), 2):
            if not differ(first, second):
                raise Failure(f"'{name}': {one} and {other} give the same {' and '.join(first)}")
    if not tried:
        raise Skip("no condition of it has two values, or it answers nothing that they could change")


@check("model")
def conditions_refused(trial: ModelTrial) -> None:
    """A value that a condition does not have (a class too many, more tokens than there is room for, a tensor of another shape) is refused,
    in one line. What is let through becomes an index error on a device, or a sample of something else."""
    conditions = trial.model.conditions
    if not conditions:
        raise Skip("it has no conditions")
    for name, condition in conditions.items():
        try:
            condition.prepare(_wrong(condition), N)
        except ValueError as error:
            if "\n" in str(error).strip():
                raise Failure(f"'{name}' refuses a wrong value in several lines") from None
            continue
        raise Failure(f"'{name}' takes a value that it does not have")


def _values(trial: ModelTrial, condition: Any) -> list[Any]:
    """Two values for `prepare`, or the only one there is, and the null if there is one."""
    null = condition.null(1)
    return [*_two(trial, condition), *([] if null is None else [null])]


def _two(trial: ModelTrial, condition: Any) -> list[Any]:
    import torch

    kind = condition.kind
    if kind == "label":
        return [[0], [1]][: condition.classes]
    if kind == "text":
        classes = trial.model.data.leaves["x"].classes if not condition.names else len(condition.names)
        return [[[0]], [[1]]][:classes]
    if kind == "number":
        low, high = condition.low, condition.high
        low = (0.0 if high is None else high - 1.0) if low is None else low
        return [low, low + 1.0 if high is None else high]
    noise = Philox(0, range(2))
    return list(torch.unbind(noise.normal(*condition.shape)))


def _wrong(condition: Any) -> Any:
    """What `prepare` must refuse."""
    import torch

    if condition.kind == "label":
        return [condition.classes + 1]
    if condition.kind == "text":
        return [[0] * (condition.length + 1)]
    return "many" if condition.kind == "number" else torch.zeros(1, *condition.shape, 2)


@check("model")
def blends(trial: ModelTrial) -> None:
    """Where the model takes shares of classes (`blends`), all of one class is that class, and a half of two is neither. Walks between
    labels go through it."""
    import torch

    from ...inference.sampling import as_batch, evaluating

    model = trial.model
    if not (can(model, Blendable) and can(model, Decoder)):
        raise Skip("it blends no classes")
    z = latents(model, N)
    for name in model.blends:
        classes = model.conditions[name].classes
        others = {k: dealt(v, N) for k, v in trial.examples().items() if k in model.conditions and k != name}
        one, mixed = torch.eye(classes)[:1].expand(N, -1).clone(), torch.full((N, classes), 1 / classes)
        with torch.no_grad(), evaluating(model):
            told = {"class": torch.zeros(N, dtype=torch.int64), "share": one, "mixture": mixed}
            found = {key: as_batch(model.decode(z, {**others, name: value}))["x"] for key, value in told.items()}
        if (far := distance(found["share"], found["class"])) > CLOSE:
            raise Failure(f"all of class 0 as a share of '{name}' differs from class 0 by {far:.1e} of the scale")
        if classes > 1 and not differ({"x": found["class"]}, {"x": found["mixture"]}):
            raise Failure(f"a mixture of all classes of '{name}' is class 0")
