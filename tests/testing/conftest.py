"""Weights of the plugin that these tests break."""

from __future__ import annotations

from pathlib import Path

import pytest

from .planted import installed, make


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `gentk_tides` ships for its recipe."""
    import gentk

    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("weights")
    make(site)
    with installed(site):
        gentk.train(gentk.recipe("tides", "brest"), out=folder / "run")
        gentk.save(gentk.load(folder / "run"), folder / "brest", recipe="brest")
    return folder / "brest"
