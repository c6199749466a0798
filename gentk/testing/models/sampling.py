"""That samples belong to their seed and index, are what the DataSpec says, and are the caller's to keep."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...protocols import Step
from ..fitting import fits
from ..registry import Failure, Skip, check
from ..short import snapshot
from ..trial import ModelTrial, N
from .answers import differ, distance

if TYPE_CHECKING:
    from torch import Tensor

CLOSE = 1e-5  # of a batch's scale: what another order of the same sums costs


@check("model")
def same_seed(trial: ModelTrial) -> None:
    """A seed gives the same samples each time, to the last bit, whatever was drawn before and whatever torch's own generators hold. A model
    draws from the noise it is given, and from nothing else."""
    import torch

    for sampler in trial.samplers:
        torch.manual_seed(1)
        first = trial.draw(sampler=sampler, seed=3)
        trial.draw(3, sampler=sampler, seed=5)
        torch.manual_seed(2)
        if wrong := differ(first.batch, trial.draw(sampler=sampler, seed=3).batch):
            raise Failure(f"by {_name(sampler)}: {wrong} the second time: draw from `noise`, and keep no state between calls")


@check("model")
def other_seed(trial: ModelTrial) -> None:
    """Another seed gives other samples, and the samples of one seed are not all the same."""
    import torch

    for sampler in trial.samplers:
        one, other = (trial.draw(sampler=sampler, seed=seed).batch for seed in (0, 1))
        leaves = [name for name in one if name not in trial.model.conditions]
        if all(torch.equal(one[name], other[name]) for name in leaves):
            raise Failure(f"by {_name(sampler)}: seeds 0 and 1 give the same {N} samples")
        if all(bool((one[name] == one[name][:1]).all()) for name in leaves):
            raise Failure(f"by {_name(sampler)}: all {N} samples of a seed are the same")


@check("model")
def batch_size(trial: ModelTrial) -> None:
    """Sample i is the same whatever stands beside it: 16 at once, in batches of 5 and one by one agree to the network's rounding, and
    integers exactly. So the batch size is a matter of memory only. Nothing may depend on the rows of a batch together: no statistics over
    them, no draw for all of them."""
    for sampler in trial.samplers:
        whole = trial.draw(sampler=sampler).batch
        for size in (5, 1):
            parts = trial.draw(sampler=sampler, batch_size=size).batch
            for name, value in whole.items():
                if (far := distance(parts[name], value)) > CLOSE * (value.is_floating_point()):
                    raise Failure(f"by {_name(sampler)}: {name} in batches of {size} is off by {far:.1e} of its scale")


@check("model")
def not_aliased(trial: ModelTrial) -> None:
    """What was returned is the caller's: it stays what it is while drawing goes on and when it is done again, and writing into it changes
    neither other steps, nor other samples, nor the model. Previews and streaming keep steps; a view of a buffer would change under them."""
    from ...inference.sampling import stream

    chosen, model = trial.samplers, trial.load()
    state = snapshot(model)

    def drawn(sampler: Any) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]]]:
        steps = stream(model, N, seed=0, sampler=sampler, cond=trial.required())
        both = [(kept, {name: value.clone() for name, value in kept.items()}) for kept in (_own(step, model) for step in steps)]
        return [kept for kept, _ in both], [copy for _, copy in both]

    for sampler in chosen:
        first, as_given = drawn(sampler)
        second, again = drawn(sampler)
        _unchanged(first, as_given, f"by {_name(sampler)}: drawing on changes what was returned before")
        for name, value in first[-1].items():
            _overwrite(value, f"by {_name(sampler)}: rows of {name} share their memory")
        _unchanged(first[:-1], as_given[:-1], f"by {_name(sampler)}: steps share memory")
        _unchanged(second, again, f"by {_name(sampler)}: two calls' samples share memory")
        _unchanged([snapshot(model)], [state], f"by {_name(sampler)}: samples share memory with the model")
        _unchanged(drawn(sampler)[0], as_given, f"by {_name(sampler)}: writing into a sample changes what is drawn after it")


def _own(step: Step, model: Any) -> dict[str, Tensor]:
    """A step's tensors, without the conditions, which were given."""
    from ...inference.sampling import as_batch

    x = {name: value for name, value in as_batch(step.x).items() if name not in model.conditions}
    preview = as_batch(step.preview) if step.preview is not None else {}
    return {**x, **{f"preview {name}": value for name, value in preview.items() if name not in model.conditions}}


def _unchanged(found: list[dict[str, Tensor]], wanted: list[dict[str, Tensor]], what: str) -> None:
    for i, (one, other) in enumerate(zip(found, wanted, strict=True)):
        if wrong := differ(other, one):
            raise Failure(f"{what}: step {i}, {wrong}" if len(found) > 1 else f"{what}: {wrong}")


def _overwrite(value: Tensor, wrong: str) -> None:
    try:
        value.copy_(1 - value.int())
    except RuntimeError:  # an expanded tensor
        raise Failure(f"{wrong}: clone what is expanded") from None


@check("model")
def samples_fit_spec(trial: ModelTrial) -> None:
    """A finished sample has the leaves of the DataSpec with their shapes and types, finite, in their classes, and about in their range
    (after so short a training half its width beyond it at most). It is saved, pictured and measured as the data are."""
    from ...inference.sampling import final_data

    for sampler in trial.samplers:
        fits(trial.draw(sampler=sampler).batch, final_data(trial.model).leaves, f"by {_name(sampler)}", (N,), drawn=True)


@check("model")
def options(trial: ModelTrial) -> None:
    """Each option of the default sampler, and each of `log_prob`, `encode` and `impute`, has a default that it takes, and refuses what is
    no value of it and names it does not know. They are flags, so their types are all that stands between a slip and a wrong result."""
    found = 0
    try:
        default = type(trial.samplers[0])()
    except Skip:
        default = None
    if default is not None:
        from ...inference.sampling import with_options

        found += 1
        given = default.model_dump()
        trial.draw(2, sampler=with_options(trial.samplers[0], {}))
        _taken(lambda told: with_options(default, told), given, type(default).__name__)
    for name in ("log_prob", "encode", "impute"):
        method = getattr(trial.model, name, None)
        if callable(method):
            found += 1
            _method(method, name)
    if not found:
        raise Skip("it draws nothing, and neither log_prob nor encode nor impute takes options")


def _method(method: Callable[..., Any], name: str) -> None:
    from ...inference.asking import checked, options_of

    parameters = list(inspect.signature(method).parameters.values())
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and p.default is p.empty:
            raise Failure(f"option '{p.name}' of {name} has no default")
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is not p.empty and p.name != "noise":
            raise Failure(f"'{p.name}' of {name} has a default and is no option: put it behind a *")
    _taken(lambda told: checked(method, told, name), options_of(method), name)


def _taken(take: Callable[[Mapping[str, Any]], Any], defaults: Mapping[str, Any], owner: str) -> None:
    """Raises Failure unless `take` takes each default, and refuses any other thing and any other name."""
    for name, value in defaults.items():
        try:
            take({name: value})
        except UsageError as error:
            raise Failure(f"option '{name}' of {owner} refuses its own default: {error}") from None
        if not _refused(take, {name: object()}):
            raise Failure(f"option '{name}' of {owner} takes anything: annotate it with its type")
    if not _refused(take, {"gentk_no_such_option": 1}):
        raise Failure(f"{owner} takes an option that it does not know")


def _refused(take: Callable[[Mapping[str, Any]], Any], told: Mapping[str, Any]) -> bool:
    try:
        take(told)
    except UsageError:
        return True
    return False


def _name(sampler: Any) -> str:
    return type(sampler).__name__
