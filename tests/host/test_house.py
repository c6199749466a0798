"""What the workspace and the hooks promise."""

from __future__ import annotations

import textwrap
import tomllib
from pathlib import Path

import pytest

import gentk
from gentk import host
from gentk.host import hookspecs

ROOT = Path(__file__).parents[2]


def test_every_plugin_of_the_repository_is_in_both_lists() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    here = {f"gentk-{folder.name}" for folder in (ROOT / "plugins").iterdir() if (folder / "pyproject.toml").is_file()}
    assert here == set(table["project"]["optional-dependencies"]["all"]) == set(table["tool"]["uv"]["sources"]) - {"gentk-core"}


@pytest.mark.parametrize("name", hookspecs.PRODUCES)
def test_every_hook_has_a_worked_example_that_works(name: str) -> None:
    _, found, example = getattr(hookspecs, name).__doc__.partition("Example::")
    assert found
    names = {"gentk": gentk, **vars(host)}
    exec(textwrap.dedent(example), names)
    answer = list(names[name]())
    assert answer and all(type(spec) is hookspecs.PRODUCES[name] for spec in answer)
    assert hasattr(names[name], "gentk_impl")


def test_the_core_knows_no_name_of_a_plugin_but_the_default() -> None:
    """No module of the core names a plugin or a family in code; `ddpm` stands once, as what is meant where nothing is said."""
    import ast

    words = {"datasets", "metrics", "autoregressive"}  # of hooks, and of samplers
    names = {folder.name for folder in (ROOT / "plugins").iterdir()} - words
    found = []
    for path in (ROOT / "gentk").rglob("*.py"):
        tree = ast.parse(path.read_text())
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs and node.value in names:
                found.append(f"{path.relative_to(ROOT)}: {node.value}")
    assert found == ["gentk/cli/subject.py: ddpm"]
