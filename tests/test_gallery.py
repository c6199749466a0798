"""Weights are shipped with figures, and the pages say what metrics.json says."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from gentk.host import lookup
from gentk.weights.card.scores import metrics_of
from gentk.weights.digest import digest
from tests.test_docs import ROOT


def maker() -> Any:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs/gallery.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GALLERY = maker()
OURS = [one for one in GALLERY.shipped() if (ROOT / "plugins" / one.plugin).is_dir()]


@pytest.mark.parametrize("one", OURS, ids=lambda one: one.name)
def test_shipped_weights_have_figures_of_these_very_numbers(one: Any) -> None:
    found = metrics_of(one.folder)
    assert found is not None and found.scores, f"measure it: uv run python docs/gallery.py --measure {one.name}"
    assert found.weights == digest(one.folder), f"these are other weights: uv run python docs/gallery.py --measure {one.name}"
    assert all(score.examples for score in found.scores)


def test_every_score_stands_beside_its_floor() -> None:
    """But for what a model says of real examples, which have none."""
    for one in OURS:
        read = metrics_of(one.folder)
        assert read is not None
        needs = {name: set(spec.needs) for name, spec in lookup.specs("metrics", "metrics").items()}
        for score in read.scores:
            if "features" in needs.get(score.name, ()):
                assert score.floor is not None and score.reference, (one.name, score.name)


def test_the_gallery_is_fresh() -> None:
    assert GALLERY.page() == (ROOT / "docs/gallery/README.md").read_text("utf-8"), "run: uv run python docs/gallery.py"
    pictures = {path.name for path in (ROOT / "docs/gallery").glob("*.png")}
    assert pictures <= {f"{one.plugin}-{one.recipe}.png" for one in OURS}, "of weights that are not shipped"


@pytest.mark.parametrize("plugin", sorted({one.plugin for one in OURS}))
def test_the_figures_of_a_readme_are_fresh(plugin: str) -> None:
    made = GALLERY.readme(plugin)
    assert made is not None, f"plugins/{plugin}/README.md has no place for figures: {GALLERY.BEGIN}"
    assert made == (ROOT / "plugins" / plugin / "README.md").read_text("utf-8"), "run: uv run python docs/gallery.py"
