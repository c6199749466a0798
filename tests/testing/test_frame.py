"""The frame of the conformance kit: what is run, what counts as what, and the three ways to run it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import gentk.testing
from gentk.errors import GentkError, Interrupted, UsageError
from gentk.host import PluginError, hookspecs
from gentk.testing import Result, Suite, checks
from gentk.testing.offline import offline
from gentk.testing.registry import SCOPES
from gentk.testing.suite import results
from tests.running import gentk as process

from .broken import BROKEN
from .planted import Edit, installed, make

GROWS: Edit = ("data.py", "label = index % 2", "label = index % 2\n        self.swell += 0.1")
EXCUSED: Edit = ("plugin.py", "yield from ()", "yield ExpectedFailure('examples-pure', 'gauges', 'the swell grows')")


def outcome(site: Path, check: str, *edits: Edit) -> Result:
    """What comes of one check of a plugin made with these edits."""
    make(site, edits)
    with installed(site):
        suite = Suite("tides")
        (found,) = map(suite.run, suite.select([check]))
        suite.close()
    return found


# ---------------------------------------------------------------- the list
def test_every_check_has_a_broken_plugin_and_every_broken_plugin_a_check() -> None:
    from .test_model_checks import BROKEN as models

    assert set(checks()) == set(BROKEN) | set(models)


def test_checks_say_what_they_promise() -> None:
    for id, check in checks().items():
        assert id == check.id == check.function.__name__.replace("_", "-") and check.scope in SCOPES
        assert len(check.about) > 60 and check.about.endswith("."), id
    assert next(iter(checks())) == "loads"


def test_the_example_of_the_hook_names_a_check_that_there_is() -> None:
    example = hookspecs.gentk_expected_failures.__doc__ or ""
    assert example.partition('ExpectedFailure("')[2].partition('"')[0] in checks()


def test_a_check_needs_a_docstring_a_known_scope_and_a_name_of_its_own() -> None:
    def undocumented(trial: object) -> None: ...

    def loads(trial: object) -> None:
        """Another one."""

    wrong = (("plugin", undocumented, "no docstring"), ("plugins", loads, "no scope 'plugins'"), ("plugin", loads, "check 'loads' is in"))
    for scope, function, said in wrong:
        with pytest.raises(ValueError, match=said):
            gentk.testing.check(scope)(function)  # type: ignore[arg-type]
    assert "undocumented" not in checks() and checks()["loads"].function.__module__ == "gentk.testing.plugins"


# ---------------------------------------------------------------- results
def test_a_failure_that_was_foreseen_is_told_apart(tmp_path: Path) -> None:
    assert outcome(tmp_path, "examples-pure", GROWS, EXCUSED) == Result("examples-pure", "gauges", "xfailed", "the swell grows")


def test_an_excuse_for_what_passes_is_a_failure(tmp_path: Path) -> None:
    found = outcome(tmp_path, "examples-pure", EXCUSED)
    assert (found.status, found.reason) == ("failed", "passes although excused: the swell grows")


def test_an_excuse_without_a_reason_excuses_nothing(tmp_path: Path) -> None:
    empty = (EXCUSED[0], EXCUSED[1], EXCUSED[2].replace("the swell grows", " "))
    found = outcome(tmp_path, "examples-pure", GROWS, empty)
    assert found.status == "failed" and "asked for again" in found.reason


def test_the_check_of_excuses_cannot_be_excused(tmp_path: Path) -> None:
    excuse = EXCUSED[2].replace("examples-pure', 'gauges", "expected-failures', 'tides")
    assert outcome(tmp_path, "expected-failures", (EXCUSED[0], EXCUSED[1], excuse)).status == "failed"


def test_a_skipped_check_stays_skipped_with_its_reason(tmp_path: Path) -> None:
    argument: Edit = ("plugin.py", '"image",', '"image", argument="swell",')
    found = outcome(tmp_path, "examples-pure", argument, EXCUSED)
    assert (found.status, found.reason) == ("skipped", "wants gauges:SWELL")
    required: Edit = ("config.py", "Field(0.1, ge=0", "Field(ge=0")
    assert outcome(tmp_path / "2", "examples-pure", required).reason == "its option 'swell' must be given"


@pytest.mark.parametrize(("code", "said"), [
    ("import sys; sys.exit(4)", "SystemExit: 4 (gentk_tides/data.py:"),
    ("raise GeneratorExit('no')", "GeneratorExit: no (gentk_tides/data.py:"),
    ("raise ValueError('one\\n\\ttwo')", "ValueError: one two (gentk_tides/data.py:"),
    ("np.zeros(3).reshape(2)", "ValueError: cannot reshape array of size 3 into shape (2,) (gentk_tides/data.py:"),
    ("import json; json.loads('{')", "JSONDecodeError: Expecting property name enclosed in double"),
    ("assert index < 0, 'mine'", "AssertionError: mine (gentk_tides/data.py:"),
    ("from gentk.errors import GentkError; raise GentkError('as it stands')", "as it stands"),
])  # fmt: skip
def test_whatever_a_plugin_raises_is_one_line(code: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raising = f"print('stray')\n        {code}\n        label = index % 2"
    found = outcome(tmp_path, "examples-pure", ("data.py", "label = index % 2", raising))
    assert found.status == "failed" and found.reason.startswith(said) and "\n" not in found.reason
    assert "(gentk_tides/data.py:" in found.reason or "GentkError" in code
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), Interrupted("stopped", 15)])
def test_an_interruption_is_no_result(raised: BaseException, tmp_path: Path) -> None:
    make(tmp_path)
    with installed(tmp_path):
        suite = Suite("tides")

        def interrupted() -> None:
            raise raised

        with pytest.raises(type(raised)):
            suite.run(suite.cases[0]._replace(promise=interrupted))
        suite.close()


def test_nothing_checked_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, [("plugin.py", '"image",', '"image", argument="swell",')])
    with installed(tmp_path):
        suite = Suite("tides")
        with pytest.raises(GentkError, match="plugin 'tides': nothing was checked, 2 checks were skipped"):
            list(results(suite, suite.select(["examples-pure", "examples-fit-spec"])))
        with pytest.raises(UsageError, match="no check 'exampels-pure'; did you mean 'examples-pure'"):
            suite.select(["exampels-pure"])
        with pytest.raises(UsageError, match="plugin 'tides' has nothing that weights-load applies to"):
            suite.select(["weights-load"], model="tides")
        with pytest.raises(UsageError, match="no model 'tide'; did you mean 'tides'"):
            suite.select(model="tide")
        assert {(case.check.scope, case.subject) for case in suite.select(model="tides")} == {("model", "tides")}
        suite.close()


def test_what_checks_made_is_gone_when_they_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    make(tmp_path)
    with installed(tmp_path):
        suite = Suite("tides")
        assert [suite.run(case).status for case in suite.select(["has-recipe", "weights-round-trip"])] == ["passed", "passed"]
        assert any(place.rglob("model.safetensors"))
        suite.close()
    assert not list(place.iterdir())


@pytest.mark.parametrize(("edit", "said"), [
    (("METADATA", "gentk-core>=0.1,<0.2", "gentk-core>=9,<10"), "is incompatible: wants gentk-core<10,>=9"),
    (("entry_points.txt", "", "[gentk.commands]\n\n"), "is disabled: blocked by"),
])  # fmt: skip
def test_a_plugin_that_may_not_be_imported_has_no_checks(edit: Edit, said: str, tmp_path: Path) -> None:
    from gentk.host.lookup import configure

    make(tmp_path, [edit])
    with installed(tmp_path):
        configure(disabled=["tides"] if "disabled" in said else [])
        with pytest.raises(PluginError, match=said):
            Suite("tides")
        configure()
        with pytest.raises(UsageError, match="no plugin 'tide'"):
            Suite("tide")


# ---------------------------------------------------------------- the network
def test_connections_are_refused_and_remembered(tmp_path: Path) -> None:
    before = {name: vars(socket.socket).get(name) for name in ("connect", "connect_ex", "sendto")}
    with socket.create_server(("127.0.0.1", 0)) as server, offline() as tried:
        there = server.getsockname()[:2]
        for reach in (socket.create_connection, lambda a: socket.socket().connect(a), lambda a: socket.socket().connect_ex(a)):
            with pytest.raises(OSError, match="no network while checking: 127"):
                reach(there)
        with pytest.raises(OSError, match="huggingface"):
            socket.gethostbyname("huggingface.co")
        assert len(tried) == 4
        with socket.socket(socket.AF_UNIX) as local, socket.socket(socket.AF_UNIX) as caller:  # workers of a data loader meet there
            local.bind(str(tmp_path / "here"))
            local.listen()
            caller.connect(str(tmp_path / "here"))
    assert {name: vars(socket.socket).get(name) for name in before} == before
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_no_check_reaches_the_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        fetch = f"import socket\n        socket.create_connection({server.getsockname()[:2]})\n        return 1 - t"
        found = outcome(tmp_path, "schedule-monotone", ("schedule.py", "return 1 - t", fetch))
    assert found.status == "failed" and found.reason.startswith("Refused: no network while checking: 127.0.0.1:")


def test_a_data_set_that_needs_a_download_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch = "print('downloading')\n    import urllib.request\n    urllib.request.urlopen('http://127.0.0.1:9/gauges')\n    return Gauges"
    found = outcome(tmp_path, "examples-pure", ("data.py", "return Gauges", fetch))
    assert (found.status, found.reason) == ("skipped", "needs a download, and checks go offline")
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- gentk plugins check
def check(site: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return process("plugins", "check", "tides", *args, site=site)


def test_the_command_counts_and_fails(tmp_path: Path) -> None:
    loud: Edit = ("schedule.py", "return 1 - t", "print('stray')\n        return 1 - t")
    make(tmp_path, [GROWS, EXCUSED, loud, ("schedule.py", "torch.sigmoid(-", "torch.sigmoid(")])
    only = [word for id in ("names-unique", "examples-pure", "schedule-monotone", "schedule-inverse") for word in ("--only", id)]
    done = check(tmp_path, *only, "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert (said["plugin"], said["distribution"], said["version"]) == ("tides", "gentk-tides", "1.0")
    assert said["summary"] == {"run": 4, "passed": 2, "xfailed": 1, "skipped": 0, "failed": 1}
    assert [(row["check"], row["subject"], row["status"]) for row in said["checks"]] == [
        ("names-unique", "tides", "passed"),
        ("examples-pure", "gauges", "xfailed"),
        ("schedule-monotone", "spring", "passed"),
        ("schedule-inverse", "spring", "failed"),
    ]
    assert said["checks"][1]["reason"] == "the swell grows" and "is off by" in said["checks"][3]["reason"]


def test_the_command_in_people_s_words(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from gentk.cli import run

    monkeypatch.setenv("COLUMNS", "400")
    make(tmp_path, [GROWS, EXCUSED, ("plugin.py", '"ebb"', '"[e]bb"')])
    with installed(tmp_path):
        assert run(["plugins", "check", "tides", "--only", "names-unique", "--only", "examples-pure"]) == 1
        text = capsys.readouterr().out
        assert "failed  names-unique[tides]: sampler '[e]bb': a name is of lower-case letters, digits and hyphens\n" in text
        assert "xfailed  examples-pure[gauges]: the swell grows\n" in text
        assert "tides (gentk-tides 1.0): 2 run, 0 passed, 1 xfailed, 0 skipped, 1 failed in " in text
        assert run(["plugins", "check", "tides", "--only", "metadata"]) == 0
        for line, said in (("tide", "no plugin 'tide'"), ("tides --only metdata", "no check 'metdata'; did you mean 'metadata'")):
            assert run(["plugins", "check", *line.split()]) == 2
            told = capsys.readouterr()
            assert said in told.err and "Traceback" not in told.err and told.err.count("\n") == 1


def test_a_plugin_that_does_not_load_is_a_failed_check(tmp_path: Path) -> None:
    make(tmp_path, [("plugin.py", "@hookimpl", "1 / 0\n@hookimpl")])
    done = check(tmp_path, "--json")
    said = json.loads(done.stdout)
    rows = {row["check"]: row for row in said["checks"]}
    counts = said["summary"]
    assert done.returncode == 1 and counts["failed"] == 1 and counts["run"] == len(rows) - counts["skipped"] < len(rows)
    assert rows["loads"]["reason"].startswith("ZeroDivisionError: division by zero (gentk_tides/plugin.py:")
    assert rows["requirement"]["status"] == "passed" and rows["light-import"]["reason"] == "the plugin does not load"


# ---------------------------------------------------------------- pytest
def in_pytest(site: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """pytest in a folder of its own beside the site."""
    folder = site / "folder"
    folder.mkdir(exist_ok=True)
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args],
        capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_pytest_needs_no_test_file(tmp_path: Path) -> None:
    argument: Edit = ("plugin.py", '"image",', '"image", argument="swell",')
    excuse: Edit = ("plugin.py", "yield from ()", "yield ExpectedFailure('metadata', 'tides', 'no words for it')")
    edits: list[Edit] = [argument, excuse, ("METADATA", "Summary: About tides\n", ""), ("METADATA", ",<0.2", "")]
    make(tmp_path, edits)
    chosen = ("-k", "metadata or requirement or names or pure", "-v", "-ra")
    done = in_pytest(tmp_path, "--gentk", "tides", "--strict-markers", "-p", "no:xdist", *chosen)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and any("1 failed, 1 passed, 1 skipped," in line and "1 xfailed" in line for line in lines)
    for said in (
        "gentk[tides]::names-unique[tides] PASSED",
        "SKIPPED [1] gentk[tides]::examples-pure[gauges]: wants gauges:SWELL",
        "XFAIL gentk[tides]::metadata[tides] - no words for it",
        "FAILED gentk[tides]::requirement[tides] - Failed: requirement[tides]: gentk-tides requires gentk-core>=0.1 without an upper bound",
    ):
        assert any(line.startswith(said) for line in lines), said
    assert "suite.py" not in done.stdout and "marks.py" not in done.stdout  # no screen of traceback


def test_pytest_shares_the_checks_among_workers(tmp_path: Path) -> None:
    make(tmp_path)
    done = in_pytest(tmp_path, "--gentk", "tides", "-k", "metadata or requirement or schedule", "-n", "2", "--dist", "loadgroup")
    assert done.returncode == 0 and "4 passed" in done.stdout, done.stdout
    assert "gentk: the checks of tides took" in done.stdout and "s of CPU" in done.stdout  # told by the workers


def test_pytest_is_told_of_a_plugin_that_is_not_there(tmp_path: Path) -> None:
    done = in_pytest(tmp_path, "--gentk", "nothing-like-it")
    assert done.returncode == 4 and "no plugin 'nothing-like-it'" in done.stderr and "Traceback" not in done.stdout + done.stderr


def test_a_pytest_that_asks_for_no_plugin_imports_nothing_of_gentk(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import sys\ndef test_it(): assert [m for m in sys.modules if m.startswith('gentk')] == "
                                         "['gentk', 'gentk.testing', 'gentk.testing.pytest_plugin']\n")  # fmt: skip
    done = in_pytest(tmp_path, str(tmp_path / "test_it.py"), "--rootdir", str(tmp_path))
    assert done.returncode == 0, done.stdout


def test_the_documented_test_works(tmp_path: Path) -> None:
    _, _, example = (gentk.testing.__doc__ or "").partition("    import gentk.testing\n")
    code = "    import gentk.testing\n" + example.partition("\n\n`gentk")[0]
    make(tmp_path, [("METADATA", "Summary: About tides\n", "")])
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "test_tides.py").write_text(textwrap.dedent(code))
    done = in_pytest(tmp_path, "-k", "metadata or requirement or pure", "-v")
    assert done.returncode == 1 and "1 failed, 2 passed" in done.stdout, done.stdout
    assert "test_tides.py::test_conformance[requirement[tides]] PASSED" in done.stdout
    assert "metadata[tides]: gentk-tides has no summary" in done.stdout
