"""The plugin keeps gentk's promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import gentk.testing


@gentk.testing.parametrize("datasets")
def test_conformance(check: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENTK_DATA", str(tmp_path))  # what was downloaded before would make other tests of these
    check()
