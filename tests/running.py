"""`python -m gentk …` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def gentk(*args: str, site: Path | None = None, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command line; `site` is a folder of extra installed distributions."""
    path = {"PYTHONPATH": str(site)} if site else {}
    return subprocess.run(
        [sys.executable, "-m", "gentk", *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **path, **env},
    )
