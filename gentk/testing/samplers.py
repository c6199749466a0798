"""Checks of samplers: options that a command line can offer, and a way from noise to samples that keeps no state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..host import SamplerSpec
from ..host.specs import resolve
from ..protocols import can
from .fitting import fits
from .registry import Failure, Skip, check

if TYPE_CHECKING:
    from ..protocols import Step
    from .trial import ModelTrial

ROWS = 4


class SamplerTrial:
    """A sampler of a plugin, and trials of the plugin's models to draw from."""

    def __init__(self, plugin: str, spec: SamplerSpec, models: Sequence[ModelTrial]) -> None:
        self.plugin, self.spec, self.models = plugin, spec, models

    @cached_property
    def kind(self) -> Any:
        return resolve(self.spec.target)

    def able(self) -> list[ModelTrial]:
        """The models with the capability that it needs. Raises Skip where there is none."""
        needs = getattr(self.kind, "needs", None)
        if not isinstance(needs, type):
            raise Skip("see sampler-needs")
        found = [trial for trial in self.models if (model := _built(trial)) is not None and can(model, needs)]
        if not found:
            raise Skip(f"no model of the plugin that can be tried is a {needs.__name__}")
        return found


def _built(trial: ModelTrial) -> Any:
    """The model, not trained; None where there is nothing to try it with."""
    try:
        return trial.build()
    except Skip:
        return None


@check("sampler")
def sampler_options(trial: SamplerTrial) -> None:
    """Each field is an option: it has a default, so that the sampler can be chosen by its name alone, and a description, which is its help
    on the command line. Options survive JSON, in which weights recommend them, and one that is not known is refused."""
    from pydantic import ValidationError

    for name, field in trial.kind.model_fields.items():
        if field.is_required():
            raise Failure(f"option '{name}' has no default")
        if not field.description:
            raise Failure(f"option '{name}' has no description: Field(…, description=\"…\")")
    default = trial.kind()
    try:
        same = trial.kind.model_validate_json(default.model_dump_json()) == default
    except ValidationError:
        same = False
    if not same:
        raise Failure(f"its options do not come back from JSON as they were: {default.model_dump_json()}")
    try:
        trial.kind(gentk_no_such_option=1)
    except ValidationError:
        return
    raise Failure(f"{trial.kind.__name__} ignores an option it does not know: model_config = ConfigDict(extra=\"forbid\")")


@check("sampler")
def sampler_needs(trial: SamplerTrial) -> None:
    """`needs` is a Protocol: what a model must have for this sampler. Whether a model can be drawn from with it is asked of that, without
    running anything; a capability of the plugin's own is as good as one of gentk's."""
    from typing_extensions import get_protocol_members, is_protocol

    needs = getattr(trial.kind, "needs", None)
    if not (isinstance(needs, type) and is_protocol(needs)):
        found = "missing" if needs is None else f"{needs!r}, no Protocol"
        raise Failure(f"{trial.kind.__name__}.needs is {found}: needs: ClassVar[type] = …")
    if not get_protocol_members(needs):
        raise Failure(f"{needs.__name__} asks nothing of a model, so every model would be offered this sampler")


@check("sampler")
def sampler_state(trial: SamplerTrial) -> None:
    """Drawing keeps what it must know in the generator: two draws that take turns give what each gives alone, and the sampler's options
    stay what they were. Steps count upwards, and the last is a sample as the model's DataSpec says. Previews, cancelling and streaming
    are the caller's loop, and rely on this."""
    from .short import quick

    for able in trial.able():
        sampler = quick(trial.kind())
        before = sampler.model_copy(deep=True)
        _takes_turns(able, sampler)
        if sampler != before:
            raise Failure("drawing changes its options")


def _takes_turns(able: ModelTrial, sampler: Any) -> None:
    """Two draws alone, then by turns."""
    from ..inference.sampling import as_batch, stream

    def begin(seed: int) -> Iterator[Step]:
        return stream(able.model, ROWS, seed=seed, sampler=sampler, cond=able.required(ROWS))

    name, alone = able.spec.name, [list(begin(seed)) for seed in (0, 1)]
    indices = [step.index for step in alone[0]]
    if not indices or indices != sorted(set(indices)):
        raise Failure(f"{name}: its steps count {indices[:8]}, not upwards")
    fits(as_batch(alone[0][-1].x), able.model.data.leaves, f"{name}: the last step", (ROWS,), drawn=True)
    running = [begin(seed) for seed in (0, 1)]
    last: list[Any] = [None, None]
    for _ in range(max(map(len, alone))):
        last = [next(steps, before) for steps, before in zip(running, last, strict=True)]
    for steps, now in zip(alone, last, strict=True):
        one, other = as_batch(steps[-1].x), as_batch(now.x)
        if any(not bool(((one[key] == other[key]) | (one[key] != one[key])).all()) for key in one):
            raise Failure(f"{name}: two draws that take turns give other samples than each alone: keep state in local variables")
