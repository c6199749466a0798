"""Documents that fail when they go stale."""

from __future__ import annotations

import ast
import importlib.util
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from gentk import conditions, recipes
from gentk.cli.root import COMMANDS, root
from gentk.protocols import DataSpec, Leaf

ROOT = Path(__file__).parents[1]
PARTS = [recipes.ModelPart, recipes.DatasetPart, recipes.OptimizerPart, recipes.TrainingPart, recipes.SamplerPart, recipes.Recipe]
KINDS = [DataSpec, Leaf, conditions.Label, conditions.Text, conditions.Number, conditions.File]


@pytest.mark.parametrize("kind", [*PARTS, *KINDS], ids=lambda k: k.__name__)
def test_every_key_of_a_file_is_documented(kind: type[BaseModel]) -> None:
    text = (ROOT / "docs/formats.md").read_text()
    unknown = [f for f in kind.model_fields if f"`{f}`" not in text and f"[{f}]" not in text and f != "metavar"]
    assert not unknown


def test_defaults_are_those_of_the_code() -> None:
    text = (ROOT / "docs/formats.md").read_text()
    for key, default in re.findall(r"^\| `(\w+)` \| ([\w.-]+) \|", text, flags=re.M):
        if key in recipes.TrainingPart.model_fields and default != "none":
            assert str(getattr(recipes.TrainingPart(), key)) == str(type(getattr(recipes.TrainingPart(), key))(float(default))
                if default[0].isdigit() else default), key  # fmt: skip


def lines() -> list[tuple[str, str]]:
    found = []
    for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md"), ROOT / "CONTRIBUTING.md"):
        for language, block in re.findall(r"^```(.*?)\n(.*?)^```$", path.read_text(), flags=re.S | re.M):
            if language:
                continue
            found += [(path.name, line.split("#")[0]) for line in block.splitlines() if re.search(r"\bgentk (?!-)\w", line)]
    return found


@pytest.mark.parametrize(("page", "line"), lines())
def test_every_command_line_in_the_documents_exists(page: str, line: str) -> None:
    words = re.split(r"\bgentk\b", line, maxsplit=1)[1].split()
    assert words[0] in COMMANDS
    options = [w for w in words if w.startswith("--") and w not in ("--help", "--json")]
    words = re.sub(r"--(weights|guide) (runs/|someone/|USER/)?[\w@-]+(?!\S)", "", line).split("gentk", 1)[1].split()  # what a reader has
    if words[0] == "sample":
        from gentk.cli.commands.sample import command

        real = command(words[1:], resilient=False)
    else:
        group = root()
        real = group.commands[words[0]].build(words[1:], False)  # type: ignore[attr-defined]
        if words[1:] and hasattr(real, "commands"):
            real = real.commands.get(words[1], real)
    known = {option for parameter in real.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert isinstance(real, typer.core.TyperCommand | typer.core.TyperGroup) and set(options) <= known


# ---------------------------------------------------------------- pages made from the code
def maker() -> Any:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["cli.md", "hooks.md", "checks.md"])
def test_pages_made_from_the_code_are_fresh(page: str) -> None:
    made = maker().PAGES[page]()
    assert (ROOT / "docs" / page).read_text() == made, "run: uv run python docs/generate.py"


def test_every_command_is_in_the_reference() -> None:
    text = (ROOT / "docs/cli.md").read_text()
    assert all(re.search(rf"^### gentk {name}( \*)?$", text, flags=re.M) for name in COMMANDS)


# ---------------------------------------------------------------- api.md
def public() -> dict[str, set[str]]:
    """Module → its public names, as the page lists them; of `gentk.protocols` all."""
    rows = re.findall(r"^\| `(gentk[\w.]*)` \| (.*) \|$", (ROOT / "docs/api.md").read_text(), flags=re.M)
    found = {module: set(re.findall(r"`(\w+)`", names)) for module, names in rows}
    found["gentk.protocols"] = {name for name in vars(import_module("gentk.protocols")) if not name.startswith("_")}
    return found


@pytest.mark.parametrize("module", sorted(public()))
def test_what_the_page_calls_public_is_there(module: str) -> None:
    there = import_module(module)
    assert public()[module]
    assert not [name for name in public()[module] if not hasattr(there, name)]


def test_the_page_lists_all_of_gentk() -> None:
    import gentk

    assert public()["gentk"] == set(gentk.__all__) - {"__version__"}


PACKAGES = [*ROOT.glob("plugins/*/gentk_*"), ROOT / "tests/stranger/gentk_stranger", ROOT / "gentk/host/scaffold"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_plugin_imports_what_is_public(package: Path) -> None:
    allowed, wrong = public(), []
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "gentk":
                names = allowed.get(str(node.module), set()) | ({"safety"} if node.module == "gentk.weights" else set())
                wrong += [f"{path.name}: {node.module}.{alias.name}" for alias in node.names if alias.name not in names]
    assert not wrong
