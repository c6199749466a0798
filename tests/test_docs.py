"""Documents that fail when they go stale."""

from __future__ import annotations

import re
from pathlib import Path

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
        for block in re.findall(r"```\n(.*?)```", path.read_text(), flags=re.S):
            found += [(path.name, line.split("#")[0]) for line in block.splitlines() if re.search(r"\bgentk (?!-)\w", line)]
    return found


@pytest.mark.parametrize(("page", "line"), lines())
def test_every_command_line_in_the_documents_exists(page: str, line: str) -> None:
    words = re.split(r"\bgentk\b", line, maxsplit=1)[1].split()
    assert words[0] in COMMANDS
    options = [w for w in words if w.startswith("--") and w not in ("--help", "--json")]
    words = re.sub(r"--(weights|guide) (runs/)?[\w-]+(?!\S)", "", line).split("gentk", 1)[1].split()  # runs that a reader has
    if words[0] == "sample":
        from gentk.cli.sample import command

        real = command(words[1:], resilient=False)
    else:
        group = root()
        real = group.commands[words[0]].build(words[1:], False)  # type: ignore[attr-defined]
        if words[1:] and hasattr(real, "commands"):
            real = real.commands.get(words[1], real)
    known = {option for parameter in real.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert isinstance(real, typer.core.TyperCommand | typer.core.TyperGroup) and set(options) <= known
