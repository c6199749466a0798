"""The plugin `gentk_tides` beside this file, installed in this process, whole or broken in some places."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gentk.host.lookup import configure

HERE = Path(__file__).parent
METADATA = """\
Metadata-Version: 2.1
Name: gentk-tides
Version: 1.0
Summary: Tides
Requires-Dist: gentk>=0.1,<0.2
"""
Edit = tuple[str, str, str]
"""A file, text that it holds, text in its place. A file that is not there is written; `""` stands for its beginning."""


def make(site: Path, edits: Iterable[Edit] = (), weights: Path | None = None) -> None:
    """Writes the distribution into `site`. Files are named as in the package (`data.py`), or as in its metadata (`METADATA`)."""
    shutil.copytree(HERE / "gentk_tides", site / "gentk_tides", ignore=shutil.ignore_patterns("__pycache__"))
    if weights:
        shutil.copytree(weights, site / "gentk_tides" / "weights" / "brest")
    info = site / "gentk_tides-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[gentk]\ntides = gentk_tides.plugin\n")
    for name, old, new in edits:
        path = (info if name.isupper() or name == "entry_points.txt" else site / "gentk_tides") / name
        text = path.read_text() if path.exists() else ""
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))


@contextmanager
def installed(site: Path) -> Iterator[None]:
    """What `make` wrote can be imported and is known to the host; afterwards nothing of it is left in this process."""
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    configure()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        for name in [name for name in sys.modules if name.partition(".")[0] == "gentk_tides"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        configure()
