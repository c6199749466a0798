"""Two thousand mutated command lines and a thousand mutated folders of weights: `uv run pytest -m fuzz`. A sample of each runs always.

No traceback, no "bug", no control characters, exit codes 0, 1, 2 and 130 only, nothing written beside the working folder, at most 1.2 GB.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gentk.host.lookup import weights_path
from tests.fuzz import folders, forked, lines

SEED = 12
COMMANDS = (
    "sample -n 2 --weights w --out a.npz",
    "inspect w",
    "sample --help --weights w",
    "likelihood --weights w -n 1",
    "sample --weights w -n 1",
)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """What the children would all import."""
    import matplotlib.pyplot  # noqa: F401
    import torch

    import gentk.cli.root
    import gentk.inference.sampling
    import gentk.weights.folder  # noqa: F401

    torch.set_num_threads(1)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    folder, home = tmp_path / "beside" / "desk", tmp_path / "home"
    folder.mkdir(parents=True)
    home.mkdir()
    yield folder, home
    shutil.rmtree(tmp_path, ignore_errors=True)


def told(codes: Counter[int], peak: int, wrong: list[str]) -> None:
    print(f"\ntried {sum(codes.values())}: exit codes {dict(sorted(codes.items()))}, peak {peak / 1e6:.0f} MB, wrong {len(wrong)}")
    assert not wrong, "\n".join(wrong[:20])


def commands(desk: tuple[Path, Path], tried: list[list[str]]) -> None:
    codes: Counter[int] = Counter()
    wrong, peak = [], 0
    for words in tried:
        done = forked.run(words, *desk)
        codes[done.code], peak = codes[done.code] + 1, max(peak, done.peak)
        if done.wrong:
            wrong.append(f"{words!r}: {done.wrong}")
    told(codes, peak, wrong)


def damaged(desk: tuple[Path, Path], first: int, count: int) -> None:
    folder, home = desk
    codes: Counter[int] = Counter()
    wrong, peak = [], 0
    for i in range(first, first + count):
        chance = random.Random(f"{SEED}/{i}")
        name = chance.choice(folders.SOUND)
        folders.copy(weights_path(*name.split("/")), folder / "w")
        what = folders.mutate(folder / "w", chance)
        done = forked.run(chance.choice(COMMANDS).split(), folder, home)
        codes[done.code], peak = codes[done.code] + 1, max(peak, done.peak)
        if done.wrong:
            wrong.append(f"{i}: {name}, {what}: {done.wrong}")
    told(codes, peak, wrong)


def test_some_lines(desk: tuple[Path, Path]) -> None:
    commands(desk, list(lines.lines(40, SEED)))


def test_some_folders(desk: tuple[Path, Path]) -> None:
    damaged(desk, 0, 40)


@pytest.mark.fuzz
@pytest.mark.parametrize("part", range(20))
def test_all_lines(part: int, desk: tuple[Path, Path]) -> None:
    commands(desk, list(lines.lines(2000, SEED))[100 * part : 100 * part + 100])


@pytest.mark.fuzz
@pytest.mark.parametrize("part", range(10))
def test_all_folders(part: int, desk: tuple[Path, Path]) -> None:
    damaged(desk, 100 * part, 100)
