"""Checks of what a plugin's hooks give: names that can be used, strings that lead somewhere, files that are there."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import GentkError, did_you_mean
from ..host import lookup
from ..host.specs import resolve
from .plugins import PluginTrial
from .registry import Failure, check
from .suite import told

NEEDS = ("samples", "features", "logits", "labels", "training", "log_prob", "log_label", "reconstruction")
"""What a metric may need; `MetricSpec` says what each is."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@check("plugin")
def names_unique(trial: PluginTrial) -> None:
    """Names are lower-case words of letters and digits with hyphens between them, each given once, and none is a name that gentk's own
    sampler, schedule, data set or modality has: `/`, `@` and `:` mean something on a command line, and a plugin's `ddim` would hide
    gentk's from whoever uses both."""
    if not _NAME.fullmatch(trial.name):
        raise Failure(f"the plugin's own name '{trial.name}' is not of lower-case letters, digits and hyphens")
    for kind in KINDS:
        names = [spec.name for spec in trial.offers(kind)]
        for name, times in Counter(names).items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise Failure(f"{lookup.one(kind)} '{name}': a name is of lower-case letters, digits and hyphens")
            if times > 1:
                raise Failure(f"{lookup.one(kind)} '{name}' is offered {times} times")
            if name in lookup.specs(kind, lookup.CORE):
                raise Failure(f"{lookup.one(kind)} '{name}' is a name that gentk itself uses: choose another")


@check("plugin")
def specs_resolve(trial: PluginTrial) -> None:
    """Every string in a spec leads to what it says: models to an `nn.Module`, configs, options and samplers to pydantic classes, the rest
    to something that can be called. Recipes, weights and check recipes are inside the package, so that a wheel brings them along, and
    every key of a recipe is one that its owner knows."""
    for kind, resolved in KINDS.items():
        for spec in trial.offers(kind):
            try:
                resolved(trial, spec)
            except Failure as wrong:
                raise Failure(f"{lookup.one(kind)} '{spec.name}': {wrong}") from None


@check("plugin")
def models_have_recipes(trial: PluginTrial) -> None:
    """Every model is trained by one of the plugin's recipes, so that `gentk train --plugin NAME --model MODEL` works. What nobody can
    train by its name is known to no listing of recipes, has no figures, and is tried by nobody."""
    trained = set()
    for spec in trial.offers("recipes"):
        with suppress(GentkError):  # which `specs-resolve` tells
            trained.add(lookup.trained_by(trial.name, spec.name))
    if lacking := [spec.name for spec in trial.offers("models") if spec.name not in trained]:
        raise Failure(f"no recipe trains the model '{lacking[0]}': give one with gentk_recipes")


def _object(text: str, role: str, package: Path) -> Any:
    try:
        return resolve(text)
    except (Exception, SystemExit) as error:
        raise Failure(f"{role} '{text}' cannot be imported: {told(error.__cause__ or error, package)}") from None


def _pydantic(text: str, role: str, package: Path) -> Any:
    from pydantic import BaseModel

    found = _object(text, role, package)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise Failure(f"{role} '{text}' is no pydantic class")
    return found


def _model(trial: PluginTrial, spec: Any) -> None:
    from pydantic import BaseModel
    from torch import nn

    target = _object(spec.target, "target", trial.package)
    if not (isinstance(target, type) and issubclass(target, nn.Module)):
        raise Failure(f"target '{spec.target}' is no nn.Module")
    own = getattr(target, "Config", None)
    if not (isinstance(own, type) and issubclass(own, BaseModel)):
        raise Failure(f"{target.__name__}.Config is no pydantic class")
    if spec.config and _pydantic(spec.config, "config", trial.package) is not own:
        raise Failure(f"config '{spec.config}' is not {target.__name__}.Config")
    if spec.check:
        _inside(trial, spec.check, "check")
    if spec.sampler:
        lookup.find("samplers", spec.sampler, trial.name)


def _dataset(trial: PluginTrial, spec: Any) -> None:
    _callable(trial, spec)
    options = _pydantic(spec.options, "options", trial.package) if spec.options else None
    if spec.argument and (options is None or spec.argument not in options.model_fields):
        known = did_you_mean(spec.argument, options.model_fields) if options else ""
        raise Failure(f"argument '{spec.argument}' is none of its options{known}")
    if not spec.splits:
        raise Failure("it has no splits")


def _sampler(trial: PluginTrial, spec: Any) -> None:
    _pydantic(spec.target, "target", trial.package)


def _modality(trial: PluginTrial, spec: Any) -> None:
    from ..modalities import Modality

    found = _object(spec.target, "target", trial.package)
    if not (isinstance(found, type) and issubclass(found, Modality)):
        raise Failure(f"target '{spec.target}' is no gentk.modalities.Modality")
    if missing := sorted(found.__abstractmethods__):
        raise Failure(f"{found.__name__} does not say how to {missing[0]}")


def _callable(trial: PluginTrial, spec: Any) -> None:
    for role in ("target", "export"):
        if (text := getattr(spec, role, None)) and not callable(_object(text, role, trial.package)):
            raise Failure(f"{role} '{text}' cannot be called")


def _metric(trial: PluginTrial, spec: Any) -> None:
    _callable(trial, spec)
    if spec.options:
        _pydantic(spec.options, "options", trial.package)
    if unknown := sorted(set(spec.needs) - set(NEEDS)):
        raise Failure(f"needs '{unknown[0]}'{did_you_mean(unknown[0], NEEDS)}")


def _recipe(trial: PluginTrial, spec: Any) -> None:
    _inside(trial, spec.path, "path")
    if spec.weights and not (_inside(trial, spec.weights, "weights") / "config.json").is_file():
        raise Failure(f"weights '{spec.weights}' hold no config.json")
    try:
        lookup.recipe(trial.name, spec.name)
    except GentkError as wrong:
        raise Failure(" ".join(str(wrong).split())) from None


def _inside(trial: PluginTrial, path: str, role: str) -> Path:
    """The file or folder in the package."""
    found = trial.package / path
    if not found.resolve().is_relative_to(trial.package.resolve()):
        raise Failure(f"{role} '{path}' leads out of the package")
    if not found.exists():
        raise Failure(f"{role} '{path}' is not in the package {trial.package.name}")
    return found


KINDS = {
    "models": _model,
    "datasets": _dataset,
    "schedules": _callable,
    "samplers": _sampler,
    "metrics": _metric,
    "featurizers": _callable,
    "modalities": _modality,
    "importers": _callable,
    "recipes": _recipe,  # last: a recipe uses the others
}
