"""What a command line may import. Counting modules is exact where timing is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import GOOD, fake

PROBE = """
import sys
from gentk.cli import run
run({args!r})
heavy = [m for m in ("torch", "numpy", "huggingface_hub", "pydantic", "gentk_ddpm", "gentk_datasets") if m in sys.modules]
print(len(sys.modules), *heavy, file=sys.stderr)
"""


COMPLETE = """
import sys
sys.argv = ["gentk"]
try:
    from gentk.cli import main
    main()
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""


def imported(args: list[str], site: Path | None = None) -> tuple[int, set[str]]:
    """(how many modules, which of the heavy ones) after a command line."""
    env = {**os.environ, **({"PYTHONPATH": str(site)} if site else {})}
    ran = subprocess.run([sys.executable, "-c", PROBE.format(args=args)], capture_output=True, text=True, env=env)
    count, *heavy = ran.stderr.splitlines()[-1].split()
    return int(count), set(heavy)


def test_help_imports_no_plugin_and_nothing_heavy(tmp_path: Path) -> None:
    alone = imported(["--help"])
    assert alone[0] <= 400 and not alone[1]
    for i in range(30):
        fake(tmp_path, f"gentk-dummy{i}", f"dummy{i}", GOOD.format(name=f"dummy{i}"))
    assert imported(["--help"], tmp_path) == alone


LIGHT = [
    ["plugins"], ["models"], ["recipes"], ["datasets"], ["samplers"], ["schedules"], ["metrics"],
    ["sample", "--help"], ["sample", "--labl", "3"], ["sample", "--plugin", "nope"], ["sample", "--steps", "0"],
    ["train", "--help"], ["train", "--dry-run"], ["plot", "data", "--help"], ["inspect"],
    ["classify", "--help"], ["impute", "--help"], ["reconstruct", "--help"], ["likelihood", "--help"], ["encode", "--help"],
    ["interpolate", "--labels", "0"], ["plot", "manifold", "--help"], ["impute"],
]  # fmt: skip


@pytest.mark.parametrize("args", LIGHT, ids=" ".join)
def test_what_needs_no_numbers_imports_no_torch(args: list[str]) -> None:
    count, heavy = imported(args)
    assert count <= 500 and not heavy & {"torch", "numpy", "huggingface_hub"}


def test_one_plugin_loads_only_itself() -> None:
    assert imported(["sample", "--plugin", "ddpm", "--help"])[1] == {"pydantic", "gentk_ddpm"}


@pytest.mark.parametrize(
    ("words", "offered"),
    [("gentk sample --plugin ", "ddpm"), ("gentk sample --recipe ", "swiss-roll"), ("gentk sample --sampler ", "heun")],
)
def test_bash_completion_offers_what_there_is_without_torch(words: str, offered: str) -> None:
    env = {**os.environ, "COMP_WORDS": words, "COMP_CWORD": str(len(words.split())), "_GENTK_COMPLETE": "complete_bash"}
    ran = subprocess.run([sys.executable, "-c", COMPLETE], capture_output=True, text=True, env=env)
    assert offered in ran.stdout.split() and ran.stderr.splitlines()[-1] == "False"
