"""The plugin `gentk_kinds` beside this file, installed in this process, whole or broken in some places."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gentk.host.lookup import configure

HERE = Path(__file__).parent
METADATA = "Metadata-Version: 2.1\nName: gentk-kinds\nVersion: 1.0\nSummary: One of every kind\nRequires-Dist: gentk>=0.1,<0.2\n"
Edit = tuple[str, str, str]
"""A file of the package, text that it holds, text in its place."""


@contextmanager
def kinds(site: Path, edits: Iterable[Edit] = ()) -> Iterator[None]:
    """gentk-kinds, changed by `edits`, is installed in the folder `site`; afterwards nothing of it is left in this process."""
    shutil.copytree(HERE / "gentk_kinds", site / "gentk_kinds", ignore=shutil.ignore_patterns("__pycache__"))
    info = site / "gentk_kinds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[gentk]\nkinds = gentk_kinds.plugin\n")
    for name, old, new in edits:
        path = site / "gentk_kinds" / name
        assert old in path.read_text(), f"{name} does not hold {old!r}"
        path.write_text(path.read_text().replace(old, new, 1))
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    configure()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        for name in [name for name in sys.modules if name.partition(".")[0] == "gentk_kinds"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        configure()
