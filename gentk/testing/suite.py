"""All checks of one plugin, each with what it checks, and what came of each."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import GentkError, Interrupted, UsageError, did_you_mean
from ..host import lookup
from ..text import cause
from .offline import offline
from .registry import SCOPES, Check, Failure, Result, Scope, Skip, checks
from .short import one_thread


class Case(NamedTuple):
    """One check of one subject. `promise()` raises Failure, Skip, or whatever the plugin does."""

    check: Check
    subject: str
    promise: Callable[[], None]

    @property
    def title(self) -> str:
        return f"{self.check.id}[{self.subject}]"


class Suite:
    """The cases of an installed plugin. What checks share (a trained model) is made once and lies in a temporary folder until `close`.

    Raises UsageError for a plugin that is not installed, PluginError for one that may not be imported (disabled, incompatible, claimed
    twice). One whose import fails has cases: `loads` fails and says why.
    """

    def __init__(self, plugin: str) -> None:
        from .plugins import PluginTrial

        self.name = plugin
        trial = PluginTrial(plugin)
        self._package = trial.package
        self._folder = Path(tempfile.mkdtemp(prefix="gentk-check-"))
        atexit.register(self.close)
        subjects: dict[Scope, dict[str, Any]] = {"plugin": {plugin: trial}, **(self._offered() if trial.loaded else {})}
        self.cases = [
            Case(check, subject, partial(self._promise, check, owner))
            for scope in SCOPES
            for subject, owner in subjects.get(scope, {}).items()
            for check in checks().values()
            if check.scope == scope
        ]
        trial.pairs = {(case.check.id, case.subject) for case in self.cases}
        excuses = (excuse for excuse in trial.excuses if excuse.check != "expected-failures")
        self.excused = {(excuse.check, excuse.subject): excuse.reason.strip() for excuse in excuses}

    def close(self) -> None:
        """Removes what the checks have made."""
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.close)

    def _offered(self) -> dict[Scope, dict[str, Any]]:
        """A trial for everything that the plugin offers, by its name."""
        from .datasets import DatasetTrial
        from .featurizers import FeaturizerTrial
        from .metrics import MetricTrial
        from .samplers import SamplerTrial
        from .schedules import ScheduleTrial
        from .shipped import WeightsTrial
        from .trial import ModelTrial

        kinds = ("models", "datasets", "samplers", "schedules", "metrics", "featurizers", "recipes")
        offers = {kind: lookup.specs(kind, self.name) for kind in kinds}
        places = (self._folder / str(i) for i in range(len(offers["models"])))
        models = {name: ModelTrial(self.name, spec, place) for place, (name, spec) in zip(places, offers["models"].items(), strict=True)}
        return {
            "model": models,
            "dataset": {name: DatasetTrial(self.name, spec) for name, spec in offers["datasets"].items()},
            "sampler": {name: SamplerTrial(self.name, spec, list(models.values())) for name, spec in offers["samplers"].items()},
            "schedule": {name: ScheduleTrial(self.name, spec) for name, spec in offers["schedules"].items()},
            "metric": {name: MetricTrial(self.name, spec) for name, spec in offers["metrics"].items()},
            "featurizer": {name: FeaturizerTrial(self.name, spec) for name, spec in offers["featurizers"].items()},
            "weights": {name: WeightsTrial(self.name, spec) for name, spec in offers["recipes"].items() if spec.weights},
        }

    def _promise(self, check: Check, trial: Any) -> None:
        with offline(), redirect_stdout(sys.stderr), nullcontext() if check.scope == "plugin" else one_thread():
            check.function(trial)

    def select(self, only: Iterable[str] = (), model: str | None = None) -> list[Case]:
        """The cases of some checks, or of one model. Raises UsageError where an id or the model is unknown, or nothing is left."""
        wanted = list(only)
        for id in wanted:
            if id not in checks():
                raise UsageError(f"no check '{id}'{did_you_mean(id, checks())}")
        if model is not None:
            lookup.model_spec(self.name, model)
        found = [case for case in self.cases if (not wanted or case.check.id in wanted)
                 and (model is None or (case.check.scope, case.subject) == ("model", model))]  # fmt: skip
        if not found:
            raise UsageError(f"plugin '{self.name}' has nothing that {' or '.join(wanted) or 'a check'} applies to")
        return found

    def run(self, case: Case) -> Result:
        """What comes of a case, whatever the plugin does, and what it cost; only an interruption gets through."""
        before = os.times()
        found = self._outcome(case)
        return replace(found, cpu=round(sum(os.times()[:4]) - sum(before[:4]), 2))

    def _outcome(self, case: Case) -> Result:
        excuse = self.excused.get((case.check.id, case.subject))
        result = partial(Result, case.check.id, case.subject)
        try:
            case.promise()
        except (KeyboardInterrupt, Interrupted):
            raise
        except Skip as why:
            return result("skipped", _flat(str(why)))
        except BaseException as error:
            return result("xfailed", excuse) if excuse else result("failed", told(error, self._package))
        return result("failed", f"passes although excused: {excuse}") if excuse else result("passed")


def told(error: BaseException, package: Path) -> str:
    """One line: what a check or an error of gentk says as it stands; else type, message and the last place in the plugin's package."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = isinstance(error, AssertionError) and frames and Path(frames[-1].filename).parent == Path(__file__).parent
    if isinstance(error, (Failure, GentkError)) or (ours and str(error)):
        return _flat(str(error)) or type(error).__name__
    theirs = [frame for frame in frames if Path(frame.filename).is_relative_to(package)]
    if not theirs:
        return cause(error)
    place = Path(theirs[-1].filename)
    return f"{type(error).__name__}: {_flat(str(error))} ({place.parent.name}/{place.name}:{theirs[-1].lineno})"


def _flat(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 400 else line[:399] + "…"


def checks_for(plugin: str) -> list[Case]:
    """Every check that applies to an installed plugin. See `Suite`."""
    return Suite(plugin).cases


def results(suite: Suite, cases: Iterable[Case] | None = None) -> Iterator[Result]:
    """What comes of each case, as it comes. Raises GentkError at the end where nothing was checked: no result is no good news."""
    found = [0, 0]
    for case in suite.cases if cases is None else cases:
        result = suite.run(case)
        found[result.status == "skipped"] += 1
        yield result
    if not found[0]:
        raise GentkError(f"plugin '{suite.name}': nothing was checked, {found[1]} checks were skipped")


def run(plugin: str) -> list[Result]:
    """Every check of an installed plugin. Raises what `Suite` raises, and GentkError where nothing was checked."""
    suite = Suite(plugin)
    try:
        return list(results(suite))
    finally:
        suite.close()
