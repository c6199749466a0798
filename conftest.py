"""What holds for every test: one thread per process, and no way to the network.

The models of the tests are tiny, and threads that wait for each other cost more than they bring.
"""

import os
import sys
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(  # for child processes, which the hook below does not reach
    HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_XET="1", UV_OFFLINE="1"
)
os.environ.pop("COLUMNS", None)  # a pipe has no width
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else every child process compiles torch anew, which takes longer than its test
sys.dont_write_bytecode = False
LOOPBACK = ("127.", "::1", "localhost")


def loopback_only(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: nothing but this machine is connected to, or looked up."""
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not str(arguments[1][0]).startswith(LOOPBACK):
        raise AssertionError(f"a test connects to {arguments[1]}")
    if event == "socket.getaddrinfo" and arguments[0] and not str(arguments[0]).startswith(LOOPBACK):
        raise AssertionError(f"a test looks up {arguments[0]}")


sys.addaudithook(loopback_only)


# ---------------------------------------------------------------- what the tests of a plugin cost: a hint at the end, no failure
ROOM = 120.0  # seconds of CPU for the tests of one plugin: a minute of two cores
_started = pytest.StashKey[float]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_started] = sum(os.times()[:4])


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    folders = item.path.relative_to(item.config.rootpath).parts if item.path.is_relative_to(item.config.rootpath) else ()
    if folders[:1] == ("plugins",) and _started in item.stash:
        item.user_properties.append(("plugin-cpu", [folders[1], sum(os.times()[:4]) - item.stash[_started]]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    costs: dict[str, float] = {}
    reports = (report for found in terminalreporter.stats.values() for report in found if getattr(report, "when", "") == "teardown")
    for plugin, seconds in (value for report in reports for name, value in report.user_properties if name == "plugin-cpu"):
        costs[plugin] = costs.get(plugin, 0.0) + seconds
    for plugin, seconds in sorted(costs.items()):
        if seconds > ROOM:
            told = f"{seconds:.0f} s of CPU, more than {ROOM:.0f}"
            terminalreporter.write_line(f"the tests of plugins/{plugin} took {told}: share what they make")
