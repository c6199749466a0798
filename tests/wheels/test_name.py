"""The core is installed as gentk-core, and nothing that a person copies installs the other project, which owns the name gentk."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from gentk.distribution import NAME
from tests.wheels.workshop import ROOT, Installed, Workshop, bundled_pip, wheel

TEXTS = {".md", ".py", ".toml", ".yml", ".yaml", ".json", ".txt", ""}
CORE = r"gentk(\[[\w,]*\])?(?![\w.-])"  # as a requirement; gentk-core and gentk-vae are others
INSTALLS = re.compile(
    rf"""(\b(pip|pipx|uv\ tool|uv\ pip)\ install|\buv\ add)\s+(-\S+\s+)*(gentk-\S+\s+)*["']?{CORE}|\buvx\ --from\ {CORE}"""  # a command
    rf"""|["']gentk(\[[\w,]*\])?\s*(>=|==|~=|<|@)"""  # a requirement with a version
    rf"""|(dependencies|dev|bench|requires)\s*=\s*\[[^\]]*["']{CORE}["']"""  # a list of requirements
    rf"""|Requires-Dist:\s*{CORE}"""
    rf"""|"requires":\s*\{{[^}}]*"gentk":""",
    re.X,
)


def old_names(text: str) -> list[str]:
    """The places of a text that would install, or require, the other project."""
    return [found.group() for found in INSTALLS.finditer(text)]


@pytest.mark.parametrize(
    "line",
    [
        "pip " + "install gentk",  # in two, so that a search for the real ones finds none
        "$ pip install 'gentk[all]'",
        'uv pip install -U "gentk[ode]"',
        "uv tool install gentk --with gentk-vae",
        "uv tool install gentk-vae gentk",
        "uv add gentk",
        "uvx --from gentk gentk sample",
        'dependencies = ["gentk>=0.1,<0.2"]',
        'dependencies = ["torch", "gentk"]',
        "Requires-Dist: gentk>=0.1",
        '"requires": {\n  "gentk": ">=0.1"',
    ],
)
def test_the_walk_sees_the_old_name(line: str) -> None:
    assert old_names(line)


def test_the_walk_leaves_others_alone() -> None:
    ours = ("pip install gentk-core gentk-vae", "uvx --from gentk-core gentk sample", 'dependencies = ["gentk-core>=0.1"]')
    assert not old_names("\n".join([*ours, '"tags": ["gentk"]']))


def test_no_file_installs_the_other_project() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    found = []
    for path in map(Path, filter(None, listed)):
        if path.suffix in TEXTS and path.name not in (Path(__file__).name, "LICENSE") and (ROOT / path).is_file():
            found += [f"{path}: {place}" for place in old_names((ROOT / path).read_text("utf-8", errors="replace"))]
    assert not found


def first_command(made: Installed) -> None:
    """gentk starts, says its version and what it needs, and draws."""
    assert made.gentk("--version").stdout.startswith("gentk 0.")
    drawn = made.gentk("sample", "--plugin", "ddpm", "--recipe", "moons", "-n", "3", "--out", "three.csv")
    assert drawn.returncode == 0 and "warning" not in drawn.stderr, drawn.stderr
    assert len((made.cwd / "three.csv").read_text().splitlines()) == 4


def test_wheels_install_into_an_empty_environment_by_pip_and_by_uv(workshop: Workshop, tmp_path: Path) -> None:
    pip = next(bundled_pip(), None)
    if pip is None:
        pytest.skip("this Python carries no wheel of pip")
    made = workshop.empty(tmp_path / "env", pip)
    for installer in (["pip", "install"], ["uninstall"], ["uv", "pip", "install"]):
        if installer == ["uninstall"]:
            assert made.run(made.python, "-m", "pip", "uninstall", "--yes", NAME, "gentk-ddpm").returncode == 0
            assert made.run(made.python, "-c", "import gentk.cli").returncode == 1
            continue
        start = [made.python, "-m", *installer] if installer[0] == "pip" else [workshop.uv, *installer[1:], "--python", str(made.python)]
        done = made.run(*start, *workshop.flags, f"{NAME}[all]")
        assert done.returncode == 0, done.stderr
        first_command(made)


def test_another_project_named_gentk_is_told_of_by_every_command(workshop: Workshop, tmp_path: Path) -> None:
    made = workshop.environment(tmp_path / "env", "gentk-ddpm", wheel(tmp_path / "foreign", "gentk", "1.0.0"))
    told = "warning: the distribution 'gentk' 1.0.0 is another project whose files overwrite those of gentk-core: pip uninstall gentk, "
    for words in (("--version",), ("plugins",), ("models", "--json"), ("sample", "--help"), ("sample", "--plugin", "nothing")):
        assert [line for line in made.gentk(*words).stderr.splitlines() if line.startswith(told)], words
