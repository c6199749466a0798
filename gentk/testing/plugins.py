"""Checks of a plugin as a whole: that it can be imported, that looking at it costs and changes nothing, what its metadata say."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from ..distribution import NAME
from ..errors import did_you_mean
from ..host import ExpectedFailure, PluginError, hookspecs, lookup
from ..host.provenance import package_dir
from . import probe
from .registry import Failure, Skip, check, checks

STRAY = ("tests", "test", "docs", "examples", "recipes", "weights", "scripts", "src", "build")  # no distribution's own, as top level
_LOWER, _UPPER = {">", ">=", "~=", "=="}, {"<", "<=", "~=", "=="}


class PluginTrial:
    """An installed plugin. Made without an error from one whose import fails; raises what the host raises where it may not be imported."""

    def __init__(self, name: str) -> None:
        host = lookup.host()
        self.name, self.reason, self.pairs = name, "", set[tuple[str, str]]()
        try:
            host.load(name)
            for hook in hookspecs.PRODUCES:
                host.ask(hook, name)
        except PluginError:
            if host.plugins[name].status != "failed":
                raise
        self.loaded = host.plugins[name].status == "ok"
        self.reason = host.plugins[name].reason
        self.package = package_dir(host.plugins[name].entry_points[0])

    def offers(self, kind: str) -> list[Any]:
        """Its specs of a kind ("models" …), as its hook gave them. Raises Skip where it does not load."""
        if not self.loaded:
            raise Skip("the plugin does not load")
        return lookup.host().ask(f"gentk_{kind}", self.name)

    @property
    def excuses(self) -> list[ExpectedFailure]:
        return self.offers("expected_failures") if self.loaded else []

    @property
    def distribution(self) -> Distribution:
        found = lookup.host().plugins[self.name].entry_points[0].dist
        assert found is not None
        return found

    @cached_property
    def seen(self) -> probe.Seen:
        """What it does when a new process imports it and asks its hooks. Raises Skip where it does not load."""
        self.offers("models")
        return probe.look(self.name)


@check("plugin")
def loads(trial: PluginTrial) -> None:
    """The plugin's module imports, every `gentk_*` function in it is a hook that gentk knows, and each hook gives specs of its kind. One
    that offers nothing at all has forgotten something."""
    if not trial.loaded:
        raise Failure(trial.reason)
    if not any(trial.offers(hook.removeprefix("gentk_")) for hook in hookspecs.PRODUCES):
        raise Failure("it offers nothing: no hook gave a spec")


@check("plugin")
def light_import(trial: PluginTrial) -> None:
    """Importing the plugin and asking its hooks imports no torch, no numpy and nothing else that is slow, and neither do the configs,
    the data sets' options and the samplers that its specs name. `gentk --help` of everyone who installs the plugin waits for this, so
    models are named by strings, and samplers import torch inside their functions. Checked in a process of its own."""
    _sound(trial.seen)
    if trial.seen.heavy:
        where, modules = trial.seen.heavy[0]
        raise Failure(f"{where} imports {', '.join(modules)}: import it inside the functions that need it, or under TYPE_CHECKING")


@check("plugin")
def quiet_discovery(trial: PluginTrial) -> None:
    """Importing the plugin and asking its hooks writes no file, opens no connection, starts no process and prints nothing. A listing is
    asked for by completion, too, in folders and at moments that nobody chose. Checked in a process of its own."""
    _sound(trial.seen)
    if trial.seen.touched:
        raise Failure(f"being listed, it {trial.seen.touched[0]}: do that when a model or a data set is made")
    if printed := " ".join(trial.seen.printed.split()):
        raise Failure(f"being listed, it prints '{printed[:60]}': stdout is for results")


def _sound(seen: probe.Seen) -> None:
    if seen.error:
        raise Failure(f"it imports here, and not in a process of its own: {seen.error}")


@check("plugin")
def requirement(trial: PluginTrial) -> None:
    """The distribution requires gentk-core from the version it was written for (`gentk-core>=0.1`) to before the next that may break it
    (`<0.2`). Without bounds, an update of gentk breaks the plugin of somebody who changed nothing; with them, gentk says which is too
    old."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    wanted = [Requirement(text) for text in trial.distribution.requires or ()]
    bounds = [r.specifier for r in wanted if canonicalize_name(r.name) == NAME and (r.marker is None or r.marker.evaluate())]
    name = trial.distribution.name
    if not bounds:
        raise Failure(f"{name} does not require {NAME}: dependencies = [\"{NAME}>=0.1,<0.2\"] in its pyproject.toml")
    operators = {clause.operator for specifier in bounds for clause in specifier}
    for bound, kind in ((_LOWER, "a lower"), (_UPPER, "an upper")):
        if not operators & bound:
            raise Failure(f"{name} requires {NAME}{bounds[0]} without {kind} bound: {NAME}>=0.1,<0.2")


@check("plugin")
def metadata(trial: PluginTrial) -> None:
    """The distribution has a summary, which is all that a listing shows of it before it is imported, and installs no top-level folder
    with everybody's name (`tests`, `docs`), which would collide with another distribution's."""
    about = trial.distribution
    if not (about.metadata["Summary"] or "").strip():
        raise Failure(f"{about.name} has no summary: description = \"…\" in its pyproject.toml")
    tops = {Path(file).parts[0] for file in about.files or () if len(Path(file).parts) > 1}
    if stray := sorted(tops & set(STRAY)):
        raise Failure(f"{about.name} installs '{stray[0]}' beside its package: keep it out of the wheel")


@check("plugin")
def expected_failures(trial: PluginTrial) -> None:
    """Every excuse that `gentk_expected_failures` gives names a check and a subject that there are, once, with a reason. An excuse that
    has outlived its cause would hide the next one; so a check that passes although excused has failed, too."""
    trial.offers("expected_failures")
    ids, seen = {id for id, _ in trial.pairs}, set()
    for excuse in trial.excuses:
        about = f"{excuse.check}[{excuse.subject}]"
        if excuse.check == "expected-failures":
            raise Failure("the check of excuses cannot be excused")
        if excuse.check not in checks():
            raise Failure(f"no check '{excuse.check}'{did_you_mean(excuse.check, ids)}")
        if (excuse.check, excuse.subject) not in trial.pairs:
            subjects = [subject for id, subject in trial.pairs if id == excuse.check]
            raise Failure(f"check '{excuse.check}' has no subject '{excuse.subject}'{did_you_mean(excuse.subject, subjects)}")
        if not excuse.reason.strip():
            raise Failure(f"{about} is excused without a reason")
        if about in seen:
            raise Failure(f"{about} is excused twice")
        seen.add(about)
