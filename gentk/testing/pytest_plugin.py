"""`pytest --gentk NAME`: the checks of a plugin as pytest's items, without a test file. Light: every pytest in an environment with gentk
imports this, so gentk itself is imported only when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .suite import Case, Suite

_BEFORE = pytest.StashKey[tuple[str, float]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--gentk`, once for each plugin."""
    group = parser.getgroup("gentk", "gentk's plugins")
    group.addoption("--gentk", metavar="NAME", action="append", default=[], help="Check this gentk plugin; may be given again.")


def pytest_configure(config: pytest.Config) -> None:
    """The marker of the checks, which pytest-xdist reads, is known without it, too."""
    if not config.pluginmanager.hasplugin("xdist"):
        config.addinivalue_line("markers", "xdist_group(name): what one worker runs (pytest-xdist, --dist loadgroup)")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The session finds the plugins that were asked for beside whatever files hold."""
    report = yield
    if isinstance(collector, pytest.Session):
        names = dict.fromkeys(collector.config.getoption("--gentk"))
        report.result += [Plugin.from_parent(collector, name=f"gentk[{name}]", nodeid=f"gentk[{name}]", plugin=name) for name in names]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What was skipped is named by what it is, not by the line of this file that skipped it."""
    report = yield
    if isinstance(item, CheckItem) and report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (item.nodeid, None, report.longrepr[2])  # type: ignore[assignment]
    return report


def cpu() -> float:
    """Seconds of processor time so far, with those of ended child processes."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What a check costs is told with its result, also by a worker of pytest-xdist."""
    if owner := _checked(item):
        item.stash[_BEFORE] = (owner, cpu())
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Before the report of the teardown is made."""
    if found := item.stash.get(_BEFORE, None):
        item.user_properties.append(("gentk-cpu", [found[0], cpu() - found[1]]))


def _checked(item: pytest.Item) -> str:
    """The plugin whose check the item is; empty for any other test."""
    words = [str(mark.args[0]) for mark in item.iter_markers("xdist_group") if mark.args]
    return next((word[len("gentk[") :].partition("]")[0] for word in words if word.startswith("gentk[")), "")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each plugin that was checked: what its checks cost."""
    costs: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown":
                for name, value in report.user_properties:
                    if name == "gentk-cpu":
                        costs[value[0]] = costs.get(value[0], 0.0) + value[1]
    for plugin, seconds in sorted(costs.items()):
        terminalreporter.write_line(f"gentk: the checks of {plugin} took {seconds:.0f} s of CPU")


class Plugin(pytest.Collector):
    """A plugin; its items are its checks."""

    def __init__(self, *, plugin: str, **about: Any) -> None:
        from ..errors import GentkError
        from .suite import Suite

        super().__init__(**about)
        try:
            self.suite: Suite = Suite(plugin)
        except GentkError as error:
            raise pytest.UsageError(str(error)) from None
        self.config.add_cleanup(self.suite.close)

    def collect(self) -> Iterator[pytest.Item]:
        from .marks import group

        for case in self.suite.cases:
            item: CheckItem = CheckItem.from_parent(self, name=case.title, case=case)
            item.add_marker(group(self.suite.name, case))
            yield item


class CheckItem(pytest.Item):
    """One check of one subject."""

    parent: Plugin

    def __init__(self, *, case: Case, **about: Any) -> None:
        super().__init__(**about)
        self.case = case

    def runtest(self) -> None:
        from .marks import outcome

        outcome(self.parent.suite, self.case)

    def reportinfo(self) -> tuple[str, int | None, str]:
        return self.parent.name, None, self.nodeid
