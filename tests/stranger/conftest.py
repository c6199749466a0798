"""The stranger's plugin, installed: a folder with its package and the metadata that pip would have written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import fakes

from .families import FAMILIES, Family, train

HERE = Path(__file__).parent

METADATA = """\
Metadata-Version: 2.1
Name: gentk-stranger
Version: 1.0
Summary: One tiny model of every family
Requires-Dist: gentk-core>=0.1,<0.2
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site folder that holds gentk-stranger and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(HERE / "gentk_stranger", folder / "gentk_stranger", ignore=shutil.ignore_patterns("__pycache__"))
    info = folder / "gentk_stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[gentk]\nstranger = gentk_stranger.plugin\n")
    return folder


@contextmanager
def installed(site: Path) -> Iterator[None]:
    """gentk-stranger installed in this process, which works on one thread: models this small only wait for more."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with fakes.installed(site):
            yield
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def stranger(site: Path) -> Iterator[None]:
    """gentk-stranger is installed while a module's tests run, and gone after them."""
    with installed(site):
        yield


@pytest.fixture(scope="session")
def environment(site: Path) -> dict[str, str]:
    """The environment of a process in which gentk-stranger is installed."""
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def runs(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every family, trained for a few rounds: name → run folder."""
    folder = tmp_path_factory.mktemp("runs")
    found: dict[str, Path] = {}
    with installed(site):
        for family in FAMILIES.values():
            found[family.name] = train(family, folder / family.name, found)
    return found


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> Family:
    """Each family in turn."""
    return FAMILIES[request.param]
