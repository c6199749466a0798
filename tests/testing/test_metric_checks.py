"""What metrics and featurizers are tried on, and what of their checks a broken plugin cannot show."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

import pytest
import torch

from gentk.host import lookup
from gentk.host.lookup import CORE
from gentk.protocols import DataSpec
from gentk.testing import Result, Skip, Suite, checks, examples, metrics
from gentk.testing.featurizers import FeaturizerTrial
from gentk.testing.fitting import fits
from gentk.testing.offers import NEEDS
from tests.fakes import fake
from tests.fakes import installed as faked

from .planted import Edit, installed, make

ROWS = 40
PAGE = (Path(__file__).parents[2] / "docs/plugins.md").read_text("utf-8")


def outcomes(site: Path, scope: str, *edits: Edit, subject: str = "") -> dict[str, Result]:
    """What comes of the checks of a scope, by the check, of a plugin made with these edits."""
    make(site, edits)
    with installed(site):
        suite = Suite("tides")
        found = [suite.run(case) for case in suite.cases if case.check.scope == scope and subject in ("", case.subject)]
        suite.close()
    return {result.check: result for result in found}


# ---------------------------------------------------------------- made-up examples
@pytest.mark.parametrize("modality", examples.LEAVES)
def test_made_up_rows_are_what_their_spec_says_and_functions_of_their_index(modality: str) -> None:
    spec = examples.spec_of(modality, CORE)
    lookup.modality(modality).check(spec)
    needs = [need for need in NEEDS if need not in ("samples", "labels", "training")]
    whole, part = (examples.given(spec, needs, range(*ends)) for ends in ((0, ROWS), (10, 20)))
    fits(whole, {**spec.leaves, **spec.conditions}, modality, (ROWS,))
    fits({"x": whole["reconstruction"]}, {"x": spec.leaves["x"]}, modality, (ROWS,), drawn=True)
    assert whole.keys() == {*spec.leaves, *spec.conditions, *needs}
    pure = [key for key in whole if key != "reconstruction"]
    assert all(torch.equal(whole[key][10:20].nan_to_num(nan=9e9), part[key].nan_to_num(nan=9e9)) for key in pure)
    assert len({str(row.tolist()) for row in whole["x"]}) == ROWS


@pytest.mark.parametrize("modality", examples.LEAVES)
def test_damage_takes_a_share_of_the_rows_and_leaves_what_was_asked_for(modality: str) -> None:
    spec = examples.spec_of(modality, CORE)
    real = examples.given(spec, ("features", "logits"), range(ROWS))
    for share, changed in ((0.0, 0), (0.3, 12), (1.0, ROWS)):
        found = examples.damaged(spec, real, share)
        fits(found, spec.leaves, modality, (ROWS,), drawn=True)
        assert torch.equal(found["label"], real["label"])
        for key in ("x", "features", "logits"):
            other = (found[key] != real[key]).flatten(1).any(1) & ~real[key].isnan().flatten(1).any(1)
            assert int(other.sum()) <= changed and (not changed or int(other.sum()) > changed / 2)
    apart = (found["features"] - found["features"][:1]).norm(dim=1).max()
    assert float(apart) < 0.1 < 10 < float((found["features"] - real["features"]).norm(dim=1).min())


def test_copies_of_training_rows_are_rows_of_training() -> None:
    sides = examples.sides(examples.spec_of("points", CORE), ("training",), ROWS)
    found = examples.copied(DataSpec(modality="points", leaves={}), sides["generated"], sides["training"], 1.0)
    assert torch.equal(found["x"], sides["training"]["x"]) and not torch.equal(sides["generated"]["x"], sides["training"]["x"])


def test_rows_of_a_model_s_numbers_are_real_ones() -> None:
    spec = examples.spec_of("points", CORE)
    assert [*examples.sides(spec, ("log_prob",), ROWS)] == [*examples.sides(spec, ("log_label",), ROWS)] == ["real"]
    assert [*examples.sides(spec, ("samples", "training"), ROWS)] == ["generated", "real", "training"]


# ---------------------------------------------------------------- what does not apply
IMAGES: Edit = ("plugin.py", 'modalities=("image",)', 'modalities=("chart",)')


def test_a_metric_of_a_modality_of_which_there_are_no_examples_is_skipped(tmp_path: Path) -> None:
    found = outcomes(tmp_path / "1", "metric", IMAGES, subject="levels").values()
    assert {(result.status, result.reason.partition(" to try")[0]) for result in found} == {
        ("skipped", "there are no examples of the modality 'chart'")
    }
    both = (IMAGES[0], IMAGES[1], 'modalities=("chart", "series")')
    assert {result.status for result in outcomes(tmp_path / "2", "metric", both, subject="levels").values()} == {"passed"}
    own = [IMAGES, ("plugin.py", '"gentk_tides.data:gauges", "image"', '"gentk_tides.data:gauges", "chart"'),
           ("data.py", 'modality="image"', 'modality="chart"')]  # fmt: skip
    assert {result.status for result in outcomes(tmp_path / "3", "metric", *own, subject="levels").values()} == {"passed"}


def test_a_metric_that_does_not_take_the_rows_or_wants_an_option_is_skipped(tmp_path: Path) -> None:
    refusing: Edit = ("metrics.py", "        self.scale, ", "        raise GentkError('wants maps')\n        self.scale, ")
    for folder, edit, said in (("1", refusing, "with it: wants maps"), ("2", ("config.py", "Field(1.0, gt", "Field(gt"), "scale")):
        found = outcomes(tmp_path / folder, "metric", edit, subject="levels").values()
        assert {result.status for result in found} == {"skipped"} and all(said in result.reason for result in found)


def test_one_failure_is_told_once(tmp_path: Path) -> None:
    broken: Edit = ("metrics.py", "apart = ", "raise GentkError('too few')\n        apart = ")
    found = outcomes(tmp_path / "1", "metric", broken, subject="levels")
    assert (found["metric-floor"].status, found["metric-damage"].reason) == ("failed", "see metric-floor: too few")
    refusing: Edit = ("metrics.py", 'data.modality != "image"', "True")
    found = outcomes(tmp_path / "2", "featurizer", refusing)
    assert [result.status for result in found.values()] == ["failed", "skipped", "skipped"]
    assert found["featurizer-refuses"].reason.startswith("see featurizer-shape: it is the default for gauges, and refuses")


def test_a_metric_that_never_ends_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "PATIENCE", 0.2)
    endless: Edit = ("metrics.py", "raise GentkError(f\"the features", "while True: pass\n            raise GentkError(f\"the features")
    found = outcomes(tmp_path, "metric", endless, subject="levels")["metric-refuses"]
    assert (found.status, found.reason) == (
        "failed", "of generated rows with a number in 'features' that is not finite it does not come to an end: it was stopped after 0.2 s"
    )  # fmt: skip


def test_copies_of_training_rows_are_damage_where_a_metric_looks_at_them(tmp_path: Path) -> None:
    """A score that falls with the distance from training is no better of rows far away: only copies are worse."""
    needs: Edit = ("plugin.py", 'needs=("features",)', 'needs=("features", "training")')
    copies = "float(1 / (0.1 + (mean - self.moments('training')[0]).norm()))"
    edits = [needs, ("metrics.py", "value=apart", f"value={copies}"), ("metrics.py", "better=\"floor\"", "better='floor'")]
    assert outcomes(tmp_path / "1", "metric", *edits, subject="levels")["metric-damage"].status == "passed"
    found = outcomes(tmp_path / "2", "metric", *edits[1:], subject="levels")["metric-floor"]
    assert found.status == "failed" and "there are no training rows" in found.reason


@pytest.mark.parametrize(("reach", "said"), [
    ("torch.hub.load_state_dict_from_url('http://127.0.0.1:9/net')", "needs a download, and checks go offline"),
    ("wanted()", "the net cannot be had: go online once"),
])  # fmt: skip
def test_a_featurizer_that_must_download_is_skipped(reach: str, said: str, tmp_path: Path) -> None:
    wanted = (
        "def wanted():\n    import socket\n    try:\n        socket.create_connection(('127.0.0.1', 9))\n"
        "    except OSError:\n        raise GentkError('the net cannot be had: go online once')\n\n\nclass Harmonics"
    )
    edits = [("metrics.py", "class Harmonics", wanted), ("metrics.py", "        if data", f"        {reach}\n        if data")]
    found = outcomes(tmp_path / "1", "featurizer", *edits).values()
    assert {(result.status, result.reason) for result in found} == {("skipped", said)}
    late = [edits[0], ("metrics.py", '        return {"features"', f'        {reach}\n        return {{"features"')]
    assert {(result.status, result.reason) for result in list(outcomes(tmp_path / "2", "featurizer", *late).values())[:2]} == {
        ("skipped", said)
    }


def test_a_featurizer_that_is_nobody_s_default_is_tried_on_colour_images(tmp_path: Path) -> None:
    alone: Edit = ("plugin.py", 'datasets=("gauges",), ', "")
    found = outcomes(tmp_path / "1", "featurizer", alone).values()
    assert {(result.status, result.reason[:28]) for result in found} == {("skipped", "harmonics are of grey levels")}
    colour: Edit = ("metrics.py", "data.shape[0] != 1", "data.shape[0] != 3")
    assert {result.status for result in outcomes(tmp_path / "2", "featurizer", alone, colour).values()} == {"passed"}


def test_a_featurizer_of_well_known_data_needs_none_of_them(tmp_path: Path) -> None:
    known: Edit = ("plugin.py", 'datasets=("gauges",)', 'datasets=("mnist", "nobody-s")')
    found = outcomes(tmp_path, "featurizer", known)
    assert {result.status for result in found.values()} == {"passed"}


# ---------------------------------------------------------------- ours, and the documents'
@pytest.mark.parametrize("id", [id for id, check in checks().items() if check.scope == "featurizer"])
def test_the_featurizers_of_gentk_itself_pass(id: str) -> None:
    names = lookup.specs("featurizers", CORE)
    for spec in names.values():
        try:
            checks()[id].function(FeaturizerTrial(CORE, spec))
        except Skip as why:
            pytest.fail(f"{spec.name}: {why}")
    assert names


def test_the_metric_of_the_documents_keeps_every_promise(tmp_path: Path) -> None:
    """Its blocks are a plugin's two files."""
    section = re.split(r"^## ", PAGE.partition("\n## Metrics and featurizers\n")[2], flags=re.M)[0]
    heavy, light = (textwrap.dedent(block) for block in re.findall(r"^```python\n(.*?)^```$", section, flags=re.M | re.S))
    first = next(node for node in ast.parse(heavy).body if isinstance(node, ast.ClassDef))
    assert (first.end_lineno or 0) - first.lineno < 10
    fake(tmp_path, "gentk-tides", "tides", light, requires="gentk-core>=0.1,<1")
    (tmp_path / "gentk_tides" / "metrics.py").write_text(heavy)
    with faked(tmp_path, forget="gentk_tides"):
        suite = Suite("tides")
        found = [suite.run(case) for case in suite.cases]
        suite.close()
    assert not [result for result in found if result.status == "failed"]
    passed = {result.check for result in found if result.status == "passed"}
    assert passed >= {id for id, check in checks().items() if check.scope in ("metric", "featurizer")}
