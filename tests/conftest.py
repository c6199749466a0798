"""Fixtures that tests of several folders share."""

from __future__ import annotations

import pytest

from tests.wheels.workshop import Workshop, find_uv


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Wheels and real environments, built when a test first wants one."""
    uv = find_uv()
    if uv is None:
        pytest.skip("no uv on PATH, nor in UV: real environments are made by it")
    return Workshop(tmp_path_factory.mktemp("workshop"), uv)
