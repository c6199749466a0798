"""The stranger's plugin keeps the promises that gentk asks of its own."""

from __future__ import annotations

import pytest

import gentk.testing


@pytest.mark.usefixtures("stranger")
def test_every_check_passes_but_the_one_that_is_excused() -> None:
    results = gentk.testing.run("stranger")
    assert not [result for result in results if result.status == "failed"]
    assert [(r.check, r.subject) for r in results if r.status == "xfailed"] == [("trains-everything", "wgan")]
    assert {r.subject for r in results} == {"stranger", "ring", "counting", "chains", "tiles", "codes", "joint-flow",
                                            "gmm", "wgan", "energy", "counter", "chain", "vae", "latent-flow", "radius-error"}  # fmt: skip
