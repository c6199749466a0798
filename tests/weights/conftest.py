from __future__ import annotations

from pathlib import Path

import pytest

from .changing import save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small, sound weights."""
    return save(tmp_path / "weights")
