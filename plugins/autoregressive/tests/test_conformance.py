"""The plugin keeps gentk's promises."""

from __future__ import annotations

from collections.abc import Callable

import gentk.testing
from gentk.evaluation.requests import source_of
from gentk.weights.names import locate


@gentk.testing.parametrize("autoregressive")
def test_conformance(check: Callable[[], None]) -> None:
    check()


def test_a_prior_of_latents_is_measured_beside_what_the_encoder_saw() -> None:
    found = locate("autoregressive/vq-prior")
    source = source_of(found.folder, found.title, None, "test")
    assert (source.name, source.split) == ("mnist", "test")
