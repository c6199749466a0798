"""Every check that is not of a model can fail, in one line that says what is wrong; a sound plugin passes them all."""

from __future__ import annotations

from pathlib import Path

import pytest

import gentk.testing
from gentk.host import lookup
from gentk.host.lookup import CORE
from gentk.testing import Skip, Suite, checks
from gentk.testing.samplers import SamplerTrial
from gentk.testing.schedules import ScheduleTrial

from .broken import BROKEN, FOREIGN, RECIPE, Broken
from .planted import installed, make

CASES = [pytest.param(id, broken, id=f"{id}-{i}") for id, several in BROKEN.items() for i, broken in enumerate(several)]

TRIALS = {"samplers": lambda spec: SamplerTrial(CORE, spec, []), "schedules": lambda spec: ScheduleTrial(CORE, spec)}


@pytest.mark.parametrize(("id", "broken"), CASES)
def test_each_check_can_fail(id: str, broken: Broken, tmp_path: Path, weights: Path) -> None:
    make(tmp_path, broken.edits, weights)
    with installed(tmp_path):
        suite = Suite(broken.plugin)
        results = {result.subject: result for result in map(suite.run, suite.select([id]))}
        suite.close()
    found = results[broken.subject]
    assert (found.status, found.check) == ("failed", id)
    assert broken.said in found.reason and "\n" not in found.reason


@pytest.mark.parametrize("requires", [
    "Requires-Dist: Gentk_Swell>=1",
    "Provides-Extra: data\nRequires-Dist: gentk-swell; extra == 'data'",
    "Requires-Dist: gentk-coast[surf]",  # which brings it, with this extra
])  # fmt: skip
def test_what_a_recipe_names_may_come_from_what_is_required(requires: str, tmp_path: Path, weights: Path) -> None:
    coast = "Metadata-Version: 2.1\nName: gentk-coast\nVersion: 1.0\nProvides-Extra: surf\nRequires-Dist: gentk-swell; extra == 'surf'\n"
    edits = (*FOREIGN, ("../gentk_coast-1.0.dist-info/METADATA", "", coast), (RECIPE, 'name = "gauges"', 'name = "swell"'),
             ("METADATA", "Requires-Dist: gentk-core", f"{requires}\nRequires-Dist: gentk-core"))  # fmt: skip
    make(tmp_path, edits, weights)
    with installed(tmp_path):
        suite = Suite("tides")
        (found,) = map(suite.run, suite.select(["recipes-installable"]))
        suite.close()
    assert found.status == "passed", found


@pytest.mark.parametrize(("head", "said"), [
    ("library_name: timm", "the card's library_name is 'timm', not 'gentk'"),
    ("library_name: gentk\ntags: [gentk]", "the card lacks the tag 'tides'"),
])  # fmt: skip
def test_a_card_must_be_found_as_one_of_ours(
    head: str, said: str, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gentk.weights.card.card", lambda folder, config, existing: f"---\n{head}\n---\nTides.\n")
    make(tmp_path, weights=weights)
    with installed(tmp_path):
        suite = Suite("tides")
        (found,) = map(suite.run, suite.select(["card-renders"]))
        suite.close()
    assert (found.status, found.reason) == ("failed", said)


def test_a_sound_plugin_passes_every_one(tmp_path: Path, weights: Path) -> None:
    make(tmp_path, weights=weights)
    with installed(tmp_path):
        results = gentk.testing.run("tides")
    assert not [result for result in results if result.status in ("failed", "xfailed")]
    assert {result.check for result in results if result.status == "passed"} >= set(BROKEN)
    assert all(result.reason for result in results if result.status == "skipped")


@pytest.mark.parametrize(("kind", "id"), [("samplers", "sampler-options"), ("samplers", "sampler-needs"),
                                          ("schedules", "schedule-monotone"), ("schedules", "schedule-inverse")])  # fmt: skip
def test_what_gentk_itself_offers_passes_too(kind: str, id: str) -> None:
    names = lookup.specs(kind, CORE)
    skipped = []
    for name, spec in names.items():
        try:
            checks()[id].function(TRIALS[kind](spec))
        except Skip:
            skipped.append(name)
    assert len(names) > 7 and skipped == (["betas"] if kind == "schedules" else [])
