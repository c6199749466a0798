"""The plugin keeps gentk's promises."""

from __future__ import annotations

from collections.abc import Callable

import gentk.testing


@gentk.testing.parametrize("autoregressive")
def test_conformance(check: Callable[[], None]) -> None:
    check()
