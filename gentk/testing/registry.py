"""The list of checks: what a plugin promises, one function per promise. A check's docstring is its documentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Literal, TypeVar, get_args

Scope = Literal["plugin", "dataset", "schedule", "metric", "featurizer", "model", "sampler", "weights"]
SCOPES: tuple[Scope, ...] = get_args(Scope)  # in the order in which they are checked: what is cheap first
Status = Literal["passed", "failed", "xfailed", "skipped"]
Promise = Callable[[Any], None]
F = TypeVar("F", bound=Promise)

MODULES = ("plugins", "offers", "owners", "datasets", "schedules", "metrics", "featurizers", "models", "samplers", "shipped")
"""Of this package: where the checks are."""


class Failure(AssertionError):
    """A promise that is not kept, in one line: what is wrong, where, and what to do."""


class Skip(Exception):
    """A check that does not apply here, and why."""


@dataclass(frozen=True)
class Check:
    """One promise. `scope` says what `function` is given: a trial of a plugin, or of one of its models, data sets … `since`: the first
    gentk that checks it."""

    id: str
    scope: Scope
    function: Promise
    since: str = "0.1"

    @property
    def about(self) -> str:
        """What it promises and why: the docstring."""
        from inspect import cleandoc

        return cleandoc(self.function.__doc__ or "")


@dataclass(frozen=True)
class Result:
    """What came of one check for one subject. `reason`: why it failed, was excused or does not apply; one line. `cpu`: seconds of processor
    time, with those of processes that it started and with what it was the first to make (a trained model)."""

    check: str
    subject: str
    status: Status
    reason: str = ""
    cpu: float = field(default=0.0, compare=False)


_registered: dict[str, Check] = {}


def check(scope: Scope, since: str = "0.1") -> Callable[[F], F]:
    """Registers a function as a check; its id is its name with hyphens. It is given one trial, and raises AssertionError (`Failure` in
    one line) where the promise is broken and `Skip` where there is nothing to check."""
    if scope not in SCOPES:
        raise ValueError(f"no scope '{scope}'; there is: {', '.join(SCOPES)}")

    def register(function: F) -> F:
        name = function.__name__.replace("_", "-")
        known = _registered.get(name)
        if known and known.function.__module__ != function.__module__:
            raise ValueError(f"check '{name}' is in {known.function.__module__} and in {function.__module__}")
        if not function.__doc__:
            raise ValueError(f"check '{name}' has no docstring: say what it promises and why")
        _registered[name] = Check(name, scope, function, since)
        return function

    return register


@cache
def checks() -> dict[str, Check]:
    """Every check by its id, in the order in which they run. Imports the modules that hold them."""
    for module in MODULES:
        import_module(f"{__package__}.{module}")
    return {check.id: check for check in sorted(_registered.values(), key=lambda check: SCOPES.index(check.scope))}
