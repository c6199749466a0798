"""Plugins put into environments of every kind and taken out again, by the real uv and pip; then what happens when it goes wrong."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from gentk.errors import GentkError, UsageError
from gentk.host import installing
from gentk.host.environments import Environment, Options, Sources, here
from gentk.host.wanted import Wanted
from tests.fakes import GOOD, fake
from tests.host.test_limits import imported
from tests.wheels.workshop import Installed, Workshop, bundled_pip, plugin_wheel, wheel

BROKEN = "import no_such_module_xyz\n"


def names(installed: Installed) -> set[str]:
    """The plugins that a fresh process lists as working."""
    return {row["name"] for row in json.loads(installed.gentk("plugins", "--json").stdout) if row["status"] == "ok"}


# ---------------------------------------------------------------- environments, for real
def test_a_plain_environment_that_holds_no_pip(workshop: Workshop, tmp_path: Path) -> None:
    made = workshop.environment(tmp_path / "env")
    assert not list(made.site.glob("pip*"))
    lost = made.gentk("sample")
    told = "error: no plugin 'ddpm' is installed; gentk-ddpm offers it: gentk plugins install ddpm\n"
    assert lost.returncode == 2 and lost.stderr == told
    assert "gentk plugins search" in made.gentk("plugins").stdout
    said = made.gentk("plugins", "install", "vae", "gentk-classical>=0.1", *workshop.flags)
    assert said.returncode == 0, said.stderr
    assert "vae (gentk-vae 0.1.0) is installed: vae, beta-vae" in said.stdout and "  gentk sample --plugin vae\n" in said.stdout
    command = [workshop.uv, "pip", "install", "--python", str(made.python), *shared(workshop), "gentk-vae", "gentk-classical>=0.1"]
    assert said.stderr.startswith(f"$ {shlex.join(command)}\n") and "+ gentk-vae==0.1.0" in said.stderr
    assert names(made) == {"vae", "classical"}
    gone = made.gentk("plugins", "uninstall", "vae", "gentk_classical", "--json")
    assert json.loads(gone.stdout) == {"uninstalled": ["gentk-vae", "gentk-classical"]} and names(made) == set()


def test_a_dry_run_changes_nothing_and_prints_the_command(workshop: Workshop, tmp_path: Path) -> None:
    made = workshop.environment(tmp_path / "env", "gentk-vae")
    start = [workshop.uv, "pip", "install", "--python", str(made.python), *shared(workshop)]
    command = [*start, "--upgrade-package", "gentk-ddpm", "gentk-ddpm"]
    words = ("plugins", "install", "ddpm", *workshop.flags, "--dry-run", "--upgrade")
    assert json.loads(made.gentk(*words, "--json").stdout) == {"commands": [command]}
    assert made.gentk(*words).stdout == shlex.join(command) + "\n"
    removal = made.gentk("plugins", "uninstall", "vae", "--dry-run", "--json")
    assert json.loads(removal.stdout) == {"commands": [[workshop.uv, "pip", "uninstall", "--python", str(made.python), "gentk-vae"]]}
    assert names(made) == {"vae"}


def shared(workshop: Workshop) -> list[str]:
    return Options((str(workshop.wheels), str(workshop.stubs)), no_index=True).flags()


def test_an_environment_with_pip_and_no_uv(workshop: Workshop, tmp_path: Path) -> None:
    pip = next(bundled_pip(), None)
    if pip is None:
        pytest.skip("this Python carries no wheel of pip")
    made = workshop.environment(tmp_path / "env", pip)
    without = {"UV": "", "PATH": str(tmp_path)}
    said = made.gentk("plugins", "install", "classical", *workshop.flags, **without)
    assert said.returncode == 0, said.stderr
    assert said.stderr.startswith(f"$ {made.python} -m pip install --find-links") and names(made) == {"classical"}
    assert made.gentk("plugins", "uninstall", "classical", **without).returncode == 0 and names(made) == set()


def test_neither_pip_nor_uv(workshop: Workshop, tmp_path: Path) -> None:
    made = workshop.environment(tmp_path / "env")
    lost = made.gentk("plugins", "install", "vae", UV="", PATH=str(tmp_path))
    assert lost.returncode == 1 and f"{made.prefix} holds no pip, and no uv is on PATH: install uv" in lost.stderr


def test_a_tool_of_uv_keeps_what_it_was_made_with(workshop: Workshop, tmp_path: Path) -> None:
    made = workshop.tool(tmp_path, "gentk-core[ode]>=0.1", "--with", "gentk-ddpm")
    said = made.gentk("plugins", "install", "vae", "--json")  # where to look stands in the receipt
    assert said.returncode == 0, said.stderr
    assert [row["name"] for row in json.loads(said.stdout)["installed"]] == ["vae"] and names(made) == {"ddpm", "vae"}
    receipt = (made.prefix / "uv-receipt.toml").read_text()
    for kept in ('{ name = "gentk-core", extras = ["ode"], specifier = ">=0.1" }', '{ name = "gentk-ddpm" }', '{ name = "gentk-vae" }'):
        assert kept in receipt
    assert "python = " in receipt and "no-index = true" in receipt
    assert made.run(workshop.uv, "tool", "upgrade", "gentk-core").returncode == 0
    assert names(made) == {"ddpm", "vae"}
    gone = made.gentk("plugins", "uninstall", "ddpm")
    assert gone.returncode == 0 and names(made) == {"vae"} and "gentk-ddpm" not in (made.prefix / "uv-receipt.toml").read_text()


def test_what_a_tool_was_not_given_by_with_is_not_taken_out(workshop: Workshop, tmp_path: Path) -> None:
    made = workshop.tool(tmp_path, "gentk-core[all]")
    kept = made.gentk("plugins", "uninstall", "vae")
    assert kept.returncode == 1 and "gentk-vae was not added to gentk-core by --with" in kept.stderr and "vae" in names(made)


def test_a_project_of_uv_gets_a_dependency_that_survives_sync(workshop: Workshop, tmp_path: Path) -> None:
    text = '[project]\nname = "study"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["gentk-core"]\n'
    made = workshop.project(tmp_path / "study", text)
    said = made.gentk("plugins", "install", "vae", *workshop.flags)
    assert said.returncode == 0 and "vae (gentk-vae 0.1.0) is installed" in said.stdout, said.stderr
    assert '"gentk-vae>=0.1.0"' in (made.cwd / "pyproject.toml").read_text()
    assert made.run(workshop.uv, "sync", *workshop.flags).returncode == 0 and names(made) == {"vae"}
    gone = made.gentk("plugins", "uninstall", "vae", *workshop.flags)
    assert gone.returncode == 0 and names(made) == set() and "gentk-vae" not in (made.cwd / "pyproject.toml").read_text()


def test_the_passing_environment_of_uvx(workshop: Workshop, tmp_path: Path) -> None:
    passing = Installed(tmp_path, workshop.env, tmp_path)
    start = (*workshop.flags, "--from", "gentk-core", "gentk")
    said = passing.run(workshop.uv, "tool", "run", "--python", sys.executable, *start, "plugins", "install", "vae")
    assert said.returncode == 1 and "passing environment" in said.stderr and "uvx --from gentk-core --with" in said.stderr


def test_the_sources_of_gentk_say_what_to_do(tmp_path: Path) -> None:
    from tests.running import gentk

    if not isinstance(here(), Sources):
        pytest.skip("gentk is not run from the environment of its sources")
    refused = gentk("plugins", "install", "gentk-seas>=1", "--json")
    told = json.loads(refused.stdout)
    assert told["exit_code"] == 1 and "gentk's own sources" in told["error"] and "uv init" in told["error"]
    assert "pip install --python" in told["error"] and told["error"].endswith("'gentk-seas>=1'")


MANAGING = [["search"], ["freeze"], ["show", "ddpm"], ["install", "--help"], ["uninstall", "vae", "--dry-run"]]


@pytest.mark.parametrize("words", MANAGING, ids=" ".join)
def test_the_manager_imports_nothing_heavy(words: list[str]) -> None:
    modules, heavy = imported(["plugins", *words])
    assert modules <= 500 and heavy <= {"pydantic", "gentk_ddpm"}


# ---------------------------------------------------------------- what goes wrong
def test_what_was_installed_and_does_not_work_is_told(workshop: Workshop, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    made = workshop.environment(tmp_path / "env", "gentk-ddpm")
    for path, said in (
        (plugin_wheel(shelf, "gentk-bad", "bad", BROKEN), "plugin 'bad' is failed: ModuleNotFoundError: No module named 'no_such"),
        (plugin_wheel(shelf, "evil-ddpm", "ddpm", BROKEN), "evil-ddpm and gentk-ddpm; uninstall one; gentk plugins uninstall evil-ddpm"),
        (wheel(shelf, "gentk-nothing"), "gentk-nothing is installed, but it is no plugin: it has no entry point in group 'gentk'"),
    ):
        failed = made.gentk("plugins", "install", path, *workshop.flags)
        assert failed.returncode == 1 and said in failed.stderr.splitlines()[-1], failed.stderr
    two = made.gentk("plugins", "uninstall", "ddpm")
    assert two.returncode == 2 and "claimed by evil-ddpm and gentk-ddpm: say which of them" in two.stderr
    assert made.gentk("plugins", "uninstall", "evil-ddpm").returncode == 0 and names(made) == {"ddpm"}


def test_a_plugin_for_another_gentk_is_refused_by_the_installer(workshop: Workshop, tmp_path: Path) -> None:
    made = workshop.environment(tmp_path / "env")
    future = plugin_wheel(tmp_path / "shelf", "gentk-future", "future", GOOD.format(name="future"), requires="gentk-core>=9")
    failed = made.gentk("plugins", "install", future, *workshop.flags)
    last = failed.stderr.splitlines()[-1]
    assert failed.returncode == 1 and last.startswith("error: uv: Because") and "gentk-core>=9" in last


def test_an_incompatible_plugin_that_was_forced_in_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, "gentk-future", "future", BROKEN, requires="gentk-core>=9")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(GentkError) as told:
        installing.install([Wanted("gentk-future", "gentk-future")], Options(), Nothing())
    assert "its plugin 'future' is incompatible: wants gentk-core>=9, this is gentk-core " in str(told.value)
    assert str(told.value).endswith("; gentk plugins uninstall gentk-future takes it out")


def test_a_gentk_moved_by_a_plugin_is_told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    versions = iter(["0.1.0", "0.0.9"])
    monkeypatch.setattr(installing, "version", lambda: next(versions))
    installing.install([], Options(), Nothing())
    assert capfd.readouterr().err == "warning: gentk itself went from 0.1.0 to 0.0.9\n"


class Nothing(Environment):
    """Does what it was made with, whatever is asked."""

    def __init__(self, *lines: list[str]) -> None:
        self.lines = list(lines)

    def install(self, things: object, options: object) -> list[list[str]]:
        return self.lines

    def uninstall(self, names: object, options: object) -> list[list[str]]:
        return self.lines


def test_an_installer_that_lies_is_found_out() -> None:
    with pytest.raises(GentkError, match="the installer is done, but gentk-seas is not in"):
        installing.install([Wanted("gentk-seas", "gentk-seas")], Options(), Nothing(["true"]))
    with pytest.raises(GentkError, match="the installer is done, but gentk-ddpm is still there"):
        installing.uninstall(["gentk-ddpm"], Options(), Nothing(["true"]))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("Resolved\nerror: No solution\n  cause: Because a wants b\n         and c not.\n\nhint: offline", "Because a wants b and c not."),
        ("  × No solution found:\n  ╰─▶ Because a was not found, we\n      can say.\n", "Because a was not found, we can say."),
        ("Looking\nERROR: Could not find\nERROR: No matching distribution found for x\n\n", "No matching distribution found for x"),
        ("error: it is so\n\nand more", "it is so"),
        ("one\ntwo\n\n", "two"),
        ("", ""),
    ],
)
def test_the_cause_in_what_an_installer_says(said: str, why: str) -> None:
    assert installing.cause(said.splitlines()) == why


def test_an_installer_that_fails_or_is_missing_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(GentkError, match=r"^sh: failed with exit code 3$"):
        installing.run(["sh", "-c", "exit 3"])
    with pytest.raises(GentkError, match=r"cannot be run: No such file"):
        installing.run(["/no/such/uv", "pip"])
    installing.run(["sh", "-c", "echo out; echo err >&2"])
    streams = capfd.readouterr()
    assert streams.out == "" and set(streams.err.splitlines()) >= {"out", "err"}


def test_an_installer_can_ask_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    read, write = os.pipe()
    os.write(write, b"yes\n")
    os.close(write)
    before = os.dup(0)
    os.dup2(read, 0)
    try:
        installing.run(["sh", "-c", "read answer; echo [$answer]"])
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(read)
    assert capfd.readouterr().err.endswith("\n[]\n")


def test_words_never_meet_a_shell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    installing.run(["echo", f"; touch {tmp_path}/made"])
    assert not (tmp_path / "made").exists() and "'; touch" in capfd.readouterr().err


@pytest.mark.parametrize(("name", "said"), [("gentk", "gentk itself"), ("Gentk-Core", "gentk itself"), ("torch", "no plugin 'torch'")])
def test_only_plugins_are_taken_out(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        installing.owner(name)
