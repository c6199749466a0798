"""Which metrics are measured: those that are asked for, else those that what is at hand is enough for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import GentkError, UsageError
from ..host import MetricSpec, lookup, resolve
from ..protocols import Batch, DataSpec, Metric, Score
from ..text import cause
from .collected import Collected

OF_MODEL = {"log_prob", "log_label", "reconstruction"}
"""Needs that are what a model says of real examples."""


@dataclass(frozen=True)
class Chosen:
    """A metric and its options."""

    spec: MetricSpec
    owner: str
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.spec.name

    def make(self, data: DataSpec) -> Metric:
        """A fresh one. Raises GentkError where its plugin fails."""
        try:
            target = resolve(self.spec.target)
            if not isinstance(target, type):
                return OfFunction(data, self.name, target)
            made: Metric = target(data, **checked(self.spec, self.options))
        except GentkError:
            raise
        except Exception as error:
            raise GentkError(f"metric '{self.name}' of {self.owner or 'gentk'}: {cause(error)}") from error
        return made


class OfFunction(Collected):
    """A metric that is a function of all rows of both sides."""

    def __init__(self, data: DataSpec, name: str, function: Callable[[Batch, Batch], float]) -> None:
        super().__init__(data)
        self.name, self.function = name, function

    def compute(self) -> Score:
        return Score(name=self.name, value=float(self.function(self.rows("generated"), self.rows("real"))))


def chosen(names: Sequence[str], options: Mapping[str, Any], data: DataSpec, plugin: str | None, has: Mapping[str, str]) -> list[Chosen]:
    """The metrics of these names; without any, all that are for this modality, not only for who asks, and can be measured with what there
    is. `has`: what rows can have, and why not where they cannot (empty: they can). `options` go to each metric that knows them.

    Raises UsageError for a name or an option that none has, and for a metric that was asked for and cannot be measured.
    """
    if names:
        found = [lookup.find("metrics", name, plugin) for name in dict.fromkeys(names)]
        for one in found:
            if why := lacking(one.spec, data, has):
                raise UsageError(f"metric '{one.spec.name}' cannot be measured here: {why}")
    else:
        found = [one for one in _everywhere(plugin) if not one.spec.asked and not lacking(one.spec, data, has)]
    known = {one.spec.name: _fields(one.spec) for one in found} if options else {}
    for key in options:
        if not any(key in fields for fields in known.values()):
            raise UsageError(f"none of the metrics {', '.join(known)} has an option '{key}'")
    made = [Chosen(spec, owner, {k: v for k, v in options.items() if k in known[spec.name]}) for owner, spec in found]
    for metric in made if options else ():
        checked(metric.spec, metric.options)
    return made


def passed_over(data: DataSpec, plugin: str | None, has: Mapping[str, str]) -> dict[str, str]:
    """The metrics that would be measured if there were more at hand, and why they are not."""
    return {one.spec.name: why for one in _everywhere(plugin) if not one.spec.asked and fits(one.spec, data)
            and (why := lacking(one.spec, data, has))}  # fmt: skip


def cannot(name: str, data: DataSpec, plugin: str | None, has: Mapping[str, str]) -> str:
    """Why the metric of this name cannot be measured; empty where it can. Raises UsageError for a name that none has."""
    return lacking(lookup.find("metrics", name, plugin).spec, data, has)


def fits(spec: MetricSpec, data: DataSpec) -> bool:
    return not spec.modalities or data.modality in spec.modalities


def lacking(spec: MetricSpec, data: DataSpec, has: Mapping[str, str]) -> str:
    """Why a metric cannot be measured; empty where it can."""
    if not fits(spec, data):
        return f"it is for {' and '.join(spec.modalities)}, and these are {data.modality}"
    sides = () if OF_MODEL & set(spec.needs) else ("samples",)  # what a model says of real examples needs no samples
    return next((why for need in (*sides, *spec.needs) if (why := has.get(need, ""))), "")


def _everywhere(plugin: str | None) -> list[lookup.Found]:
    """The core's and every plugin's, without a stranger's functions: what one plugin's models watch says little of another's."""
    found = [lookup.Found(owner.name, spec) for owner, spec in lookup.host().ask_all("gentk_metrics")]
    return [one for one in found if one.plugin == plugin or one.spec.needs != ("samples",) or one.spec.modalities]


def _fields(spec: MetricSpec) -> Mapping[str, Any]:
    """The options that it has; none where its plugin is broken, which its own failure tells."""
    try:
        return resolve(spec.options).model_fields if spec.options else {}
    except GentkError:
        return {}


def checked(spec: MetricSpec, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options with their defaults. Raises UsageError."""
    from ..recipes import validate

    return validate(resolve(spec.options), options, f"metric '{spec.name}'").model_dump() if spec.options else {}
