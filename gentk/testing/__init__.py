"""The conformance kit: what a plugin promises, as named checks. One list, three ways to run it:

    gentk plugins check tides              # no test needed; --json for machines
    pytest --gentk tides                   # no test file needed; one item per check and subject

or, in the plugin's own tests, where each check shows up beside them:

    import gentk.testing

    @gentk.testing.parametrize("tides")
    def test_conformance(check):
        check()

`gentk.testing.run("tides")` gives the results as a list; `gentk.testing.checks()` is the list of checks, whose docstrings say what each
promises and why. What a check wants to see of a model, it tries on the recipe that `ModelSpec.check` names: small enough to train in
seconds, without a download.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .marks import parametrize as parametrize
    from .registry import Check as Check
    from .registry import Failure as Failure
    from .registry import Result as Result
    from .registry import Skip as Skip
    from .registry import check as check
    from .registry import checks as checks
    from .suite import Suite as Suite
    from .suite import checks_for as checks_for
    from .suite import run as run

_LAZY = {  # name: its module. Lazy, as every pytest of an environment with gentk imports this package
    "Check": "registry",
    "Failure": "registry",
    "Result": "registry",
    "Skip": "registry",
    "Suite": "suite",
    "check": "registry",
    "checks": "registry",
    "checks_for": "suite",
    "parametrize": "marks",
    "run": "suite",
}
__all__ = [*_LAZY]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
