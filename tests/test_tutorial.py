"""docs/plugins.md: its plugin is written from its own blocks, installed, and used by its own commands, in an environment made of wheels."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gentk import protocols
from gentk.host.scaffold import KINDS
from tests.wheels.workshop import Installed, Workshop

PAGE = (Path(__file__).parents[1] / "docs/plugins.md").read_text("utf-8")
SECTIONS = {part.split("\n")[0]: part for part in PAGE.split("\n## ")}
TUTORIAL, CAPABILITIES = SECTIONS["By hand"], SECTIONS["What a model can, and what follows"]
FENCE = r"```(\w+)\n(.*?)^```$"
FILES = {name: text for name, _, text in re.findall(rf"^`([\w./]+)`:(?:[^\n]+\n)+\n{FENCE}", TUTORIAL, flags=re.M | re.S)}
COMMANDS = [block for language, block in re.findall(FENCE, TUTORIAL, flags=re.M | re.S) if language == "sh"]


def test_it_takes_fewer_than_sixty_lines() -> None:
    assert list(FILES) == ["pyproject.toml", "gentk_bells/plugin.py", "gentk_bells/bells.toml", "gentk_bells/model.py"]
    count = sum(bool(line.strip()) for text in FILES.values() for line in text.splitlines())
    assert count < 60 and f"five files, {count} lines of code" in TUTORIAL


@pytest.fixture(scope="module")
def author(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """gentk from its wheel, and the tutorial's files in the folder where commands run."""
    desk = tmp_path_factory.mktemp("bells")
    for name, text in FILES.items():
        (desk / name).parent.mkdir(exist_ok=True)
        (desk / name).write_text(text, "utf-8")
    return workshop.environment(desk / ".venv")


def test_what_it_says_to_type_works(author: Installed) -> None:
    env = {**author.env, "VIRTUAL_ENV": str(author.prefix), "PATH": f"{author.prefix / 'bin'}:{author.env['PATH']}", "UV_NO_INDEX": "1"}
    script = "set -eux\n" + "".join(COMMANDS)
    done = subprocess.run(["bash", "-c", script], cwd=author.cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (author.cwd / "bells.png").is_file()
    said = re.search(r"accuracy (\d\.\d+)", done.stdout)
    assert said and float(said[1]) > 0.95
    assert re.search(r"\d+ run, \d+ passed, 0 xfailed, \d+ skipped, 0 failed", done.stdout)
    assert len(COMMANDS) == 1 and sum(line.startswith("gentk ") for line in COMMANDS[0].splitlines()) >= 4


@pytest.mark.parametrize(("language", "block"), list(re.findall(rf"^{FENCE}", PAGE, flags=re.M | re.S)))
def test_every_block_can_be_read(language: str, block: str) -> None:
    if language == "python":
        ast.parse(textwrap.dedent(block))
    elif language == "toml":
        tomllib.loads(block)
    else:
        assert language == "sh" and subprocess.run(["bash", "-n", "-c", block]).returncode == 0


def members() -> dict[str, Any]:
    """What protocols ask of models, by name."""
    others = (protocols.Metric, protocols.Featurizer)
    kinds = [kind for kind in vars(protocols).values() if isinstance(kind, type) and kind.__module__ == protocols.__name__]
    kinds = [kind for kind in kinds if kind not in others]
    return {name: member for kind in kinds for name, member in {**getattr(kind, "__annotations__", {}), **vars(kind)}.items()}


@pytest.mark.parametrize("cell", re.findall(r"^\| (`.*?) \|", CAPABILITIES, flags=re.M))
def test_what_a_model_may_have_is_in_the_contract(cell: str) -> None:
    for name, parameters in re.findall(r"`(\w+)(?:\(([\w, ]*)\))?`", cell):
        assert name in members()
        if parameters or f"{name}()" in cell:
            assert [*inspect.signature(members()[name]).parameters][1:] == re.findall(r"\w+", parameters)


def test_each_kind_is_in_the_table() -> None:
    assert re.findall(r"^\| `(\w+)` \|", SECTIONS["From a complete one"], flags=re.M) == list(KINDS)
