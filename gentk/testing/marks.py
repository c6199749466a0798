"""A plugin's checks as the parameters of a test."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest

from .suite import Case, Suite

F = TypeVar("F", bound=Callable[..., Any])


def parametrize(plugin: str) -> Callable[[F], F]:
    """Decorates a test that takes `check`: it runs once for every check of the installed plugin and everything it applies to.

    `check()` fails with one line, skips with a reason, or is an expected failure with its reason. Raises, when the tests are collected,
    what `Suite` raises.
    """
    suite = Suite(plugin)
    cases = [pytest.param(partial(outcome, suite, case), id=case.title, marks=group(plugin, case)) for case in suite.cases]
    decorate: Callable[[F], F] = pytest.mark.parametrize("check", cases)
    return decorate


def group(plugin: str, case: Case) -> pytest.MarkDecorator:
    """For pytest-xdist's `--dist loadgroup`: what shares a trained model stays together."""
    return pytest.mark.xdist_group(f"gentk[{plugin}]:{case.check.scope}:{case.subject}")


def outcome(suite: Suite, case: Case) -> None:
    """Run a case, and say what came of it in pytest's way."""
    __tracebackhide__ = True
    result = suite.run(case)
    if result.status == "failed":
        pytest.fail(f"{case.title}: {result.reason}", pytrace=False)
    if result.status == "xfailed":
        pytest.xfail(result.reason)
    if result.status == "skipped":
        pytest.skip(result.reason)
