"""The plugins `gentk_tides` and `gentk_kinds` beside this file, installed in this process, whole or broken in some places."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from tests import fakes

HERE = Path(__file__).parent
METADATA = """\
Metadata-Version: 2.1
Name: gentk-{name}
Version: 1.0
Summary: About {name}
Requires-Dist: gentk-core>=0.1,<0.2
"""
Edit = tuple[str, str, str]
"""A file, text that it holds, text in its place. A file that is not there is written; `""` stands for its beginning."""


def make(site: Path, edits: Iterable[Edit] = (), weights: Path | None = None, name: str = "tides") -> None:
    """Writes the distribution into `site`. Files are named as in the package (`data.py`), or as in its metadata (`METADATA`)."""
    package, info = site / f"gentk_{name}", site / f"gentk_{name}-1.0.dist-info"
    shutil.copytree(HERE / package.name, package, ignore=shutil.ignore_patterns("__pycache__"))
    if weights:
        shutil.copytree(weights, package / "weights" / "brest")
    info.mkdir()
    (info / "METADATA").write_text(METADATA.format(name=name))
    (info / "entry_points.txt").write_text(f"[gentk]\n{name} = gentk_{name}.plugin\n")
    for file, old, new in edits:
        path = (info if file.isupper() or file == "entry_points.txt" else package) / file
        text = path.read_text() if path.exists() else ""
        assert old in text, f"{file} does not hold {old!r}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace(old, new, 1))
        for row in new.splitlines() if file == "RECORD" else ():  # from Python 3.12 on, a file that is not there is not listed
            listed = site / row.partition(",")[0]
            listed.parent.mkdir(exist_ok=True)
            listed.touch()


def installed(site: Path, name: str = "tides") -> AbstractContextManager[None]:
    """What `make` wrote can be imported and is known to the host; afterwards nothing of it is left in this process."""
    return fakes.installed(site, forget=f"gentk_{name}")


def kinds(site: Path, edits: Iterable[Edit] = ()) -> AbstractContextManager[None]:
    """gentk-kinds, changed by `edits`, installed in the folder `site`."""
    make(site, edits, name="kinds")
    return installed(site, "kinds")
