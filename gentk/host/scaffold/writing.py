"""A kind's files with a plugin's names in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from keyword import iskeyword
from pathlib import Path

from ...distribution import version
from ...errors import UsageError
from ...files import replacing_folder
from .kinds import KINDS, Kind
from .names import Names

TEMPLATES = Path(__file__).parent / "templates"
PLACES = {  # a template → where it goes; what is not here goes into the package
    "project.toml": "pyproject.toml",  # by its own name it would be a project to every tool that meets it here
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "test.yml": ".github/workflows/test.yml",
    "recipe.toml": "{package}/recipes/{plugin}.toml",
    "test_template.py": "tests/test_{module}.py",
}
_WORDS = re.compile(r"gentk_template|test_template|Template|\btemplate\b|SUMMARY|PAPER|MODALITY|EXAMPLES|COMMAND|BOUND")


def write(names: Names, kind: str, folder: Path) -> list[str]:
    """Write a plugin of this kind into a new or empty folder, whole or not at all; returns the files' paths in it. Raises UsageError."""
    path = folder.expanduser().absolute()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UsageError(f"{folder} is there already, and not an empty folder: give another with --out")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror or error}") from error
    with replacing_folder(path) as temporary:
        for place, text in files(names, kind):
            (temporary / place).parent.mkdir(parents=True, exist_ok=True)
            (temporary / place).write_text(text, "utf-8", newline="\n")
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def files(names: Names, kind: str) -> Iterator[tuple[str, str]]:
    """(path, text) of each file."""
    module = names.plugin.replace("-", "_")
    found = list({file.name: file for folder in ("shared", kind) for file in (TEMPLATES / folder).iterdir()}.values())  # a kind's own first
    words = replacements(names, KINDS[kind], "".join(file.read_text("utf-8") for file in found if file.suffix == ".py"))
    for file in sorted(found):
        if file.is_dir():
            continue
        text = file.read_text("utf-8")
        if file.name.startswith("test_"):  # outside the package
            text = text.replace("\nfrom .", f"\nfrom {names.package}.")
        place = PLACES.get(file.name, "{package}/" + file.name).format(package=names.package, plugin=names.plugin, module=module)
        yield place, _WORDS.sub(lambda match: words[match.group()], text)


def replacements(names: Names, kind: Kind, sources: str) -> dict[str, str]:
    """What stands for each placeholder. A class whose name the code knows already (`Batch`, `None`) is called `BatchModel`,
    of a metric `BatchMetric`."""
    known = iskeyword(names.title) or (names.title != "Template" and re.search(rf"\b{names.title}\b", sources))
    return {
        "gentk_template": names.package,
        "test_template": "test_" + names.plugin.replace("-", "_"),
        "Template": names.title + kind.noun if known else names.title,
        "template": names.plugin,
        "SUMMARY": kind.summary,
        "PAPER": kind.paper,
        "MODALITY": kind.modality,
        "EXAMPLES": kind.examples,
        "COMMAND": f"gentk sample --weights runs/{names.plugin} {kind.flags}",
        "BOUND": bound(version()),
    }


def bound(running: str) -> str:
    """The versions of gentk that a plugin written for this one can rely on: `>=0.1,<0.2`, `>=1.4,<2`."""
    major, minor = (int(part) for part in running.split(".")[:2])
    return f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"
