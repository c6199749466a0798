"""A broken plugin never takes the host down: it is named, with its cause, and everything else goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes import BROKEN, GOOD, fake
from tests.running import gentk


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_named_and_the_rest_works(name: str, tmp_path: Path) -> None:
    code, reason = BROKEN[name]
    fake(tmp_path, f"gentk-{name}", name, code)
    fake(tmp_path, "gentk-good", "good", GOOD.format(name="good"))
    listed = gentk("plugins", "--json", site=tmp_path)
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert rows["good"]["status"] == "ok" and rows["ddpm"]["status"] == "ok"
    if reason:
        assert rows[name]["status"] == "failed" and reason in rows[name]["reason"] and "\n" not in rows[name]["reason"]
        assert rows[name]["distribution"] == f"gentk-{name}"
    models = gentk("models", site=tmp_path)
    assert "good" in models.stdout and "ddpm" in models.stdout and models.returncode == 0 and "Traceback" not in models.stderr
    assert (name in models.stderr) == bool(reason)
    assert gentk("models", "--strict", site=tmp_path).returncode == (1 if reason else 0)
    silenced = gentk("models", "-x", name, site=tmp_path)
    assert silenced.returncode == 0 and silenced.stderr == ""


def test_incompatible_and_conflicting_are_refused_unimported(tmp_path: Path) -> None:
    boom = "print('IMPORTED')\nraise SystemExit"
    fake(tmp_path, "gentk-future", "future", boom, requires="gentk-core>=9")
    fake(tmp_path, "evil-ddpm", "ddpm", boom)
    listed = gentk("plugins", "--json", site=tmp_path)
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert rows["future"]["status"] == "incompatible" and "gentk-core>=9" in rows["future"]["reason"]
    assert rows["ddpm"]["status"] == "conflict" and "evil-ddpm and gentk-ddpm" in rows["ddpm"]["reason"]
    assert "IMPORTED" not in listed.stdout + listed.stderr
    sampled = gentk("sample", site=tmp_path)
    assert sampled.returncode == 1 and "evil-ddpm and gentk-ddpm" in sampled.stderr


def test_stray_output_does_not_reach_json(tmp_path: Path) -> None:
    loud = "import os\nprint('hello')\nos.system('echo from a child')\n"
    fake(tmp_path, "gentk-loud", "loud", loud + GOOD.format(name="loud"))
    listed = gentk("plugins", "--json", site=tmp_path)
    json.loads(listed.stdout)
    assert "hello" in listed.stderr and "from a child" in listed.stderr


@pytest.mark.parametrize("args", [["nope"], ["sample", "--plugin", "nope"], ["plugins", "show", "nope"], ["sample", "-n", "0"]])
def test_errors_are_json_too(args: list[str]) -> None:
    failed = gentk(*args, "--json")
    assert json.loads(failed.stdout)["exit_code"] == failed.returncode == 2


def test_a_plugin_that_imports_torch_is_told(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    fake(tmp_path, "gentk-heavy", "heavy", "import torch\n" + GOOD.format(name="heavy"))
    assert "imports torch" in gentk("plugins", site=tmp_path).stderr


def test_commands_of_plugins(tmp_path: Path) -> None:
    app = "import typer\napp = typer.Typer()\n@app.command()\ndef main(k: int = 1): print('k', k)\n"
    fake(tmp_path, "gentk-tool", "tool", app, group="gentk.commands")
    fake(tmp_path, "gentk-bad", "bad", "1/0", group="gentk.commands")
    fake(tmp_path, "gentk-thief", "plugins", "1/0", group="gentk.commands")
    assert gentk("--help", site=tmp_path).returncode == 0
    assert gentk("tool", "--k", "3", site=tmp_path).stdout == "k 3\n"
    bad = gentk("bad", site=tmp_path)
    assert bad.returncode == 1 and "gentk-bad 1.0" in bad.stderr and "ZeroDivisionError" in bad.stderr
    assert gentk("plugins", site=tmp_path).returncode == 0  # a built-in is never replaced
