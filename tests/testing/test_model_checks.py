"""Every check of a model can fail, in one line that says what is wrong; sound models of every kind pass them all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import gentk.testing
from gentk.host import lookup
from gentk.testing import Suite, short
from gentk.testing.registry import Failure, Skip, checks
from gentk.testing.short import no_downloads
from gentk.testing.trial import ModelTrial

from .broken_models import BROKEN, TRAINING, Broken
from .planted import Edit, kinds

CASES = [pytest.param(id, broken, id=f"{id}-{i}") for id, several in BROKEN.items() for i, broken in enumerate(several)]


@pytest.mark.parametrize(("id", "broken"), CASES)
def test_each_check_can_fail(id: str, broken: Broken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if id not in TRAINING:
        monkeypatch.setattr(short, "ROUNDS", 10)
    with kinds(tmp_path, broken.edits):
        suite = Suite("kinds")
        (case,) = (case for case in suite.select([id]) if case.subject == broken.model)
        found = suite.run(case)
        suite.close()
    assert found.status == "failed", found
    assert broken.said in found.reason
    assert "\n" not in found.reason


def test_sound_models_pass_every_one(tmp_path: Path) -> None:
    with kinds(tmp_path):
        results = gentk.testing.run("kinds")
    assert [result.check for result in results if result.status in ("failed", "xfailed")] == ["models-have-recipes"]  # excused
    assert all(result.reason for result in results if result.status == "skipped")
    passed = {result.check for result in results if result.status == "passed"}
    assert passed >= {check.id for check in checks().values() if check.scope == "model"} == set(BROKEN)


OWN = 'summary=f"A {name}", check=recipe)'
RECIPES = """summary=f"A {name}")


@hookimpl
def gentk_recipes():
    yield RecipeSpec("points", "recipes/points.toml", weights="weights/points")
"""
NAMED: tuple[Edit, ...] = (
    ("plugin.py", OWN, RECIPES),
    ("plugin.py", "import ExpectedFailure, ModelSpec, hookimpl", "import ExpectedFailure, ModelSpec, RecipeSpec, hookimpl"),
    ("recipes/points.toml", "[dataset]", '[model]\nplugin = "kinds"\nname = "gaussian"\n\n[dataset]'),
)


def trial_of(name: str, folder: Path) -> ModelTrial:
    return ModelTrial("kinds", lookup.specs("models", "kinds")[name], folder)


def test_without_a_recipe_for_checks_the_first_for_this_model_serves(tmp_path: Path) -> None:
    with kinds(tmp_path, NAMED):
        tried = trial_of("gaussian", tmp_path / "made").found
        with pytest.raises(Failure, match="no recipe trains it"):
            _ = trial_of("trend", tmp_path / "made").found
    assert tried.recipe.dataset.name == "synthetic" and tried.recipe.training.batch_size == 16 and len(tried.data) == 300
    assert (tried.recipe.training.steps, tried.recipe.training.precision, tried.recipe.training.preview_every) == (50, "float32", 0)


def gone(site: Path) -> None:
    """The recipe's data are not there any more."""
    path = site / "gentk_kinds" / "recipes" / "points.toml"
    text = path.read_text()
    path.write_text(text[: text.index("[dataset]")] + '[dataset]\nname = "folder:/nowhere"\n')


def test_where_its_data_are_not_there_data_like_those_of_its_weights_serve(tmp_path: Path) -> None:
    import gentk

    with kinds(tmp_path, NAMED):
        trial = trial_of("gaussian", tmp_path / "made")
        gentk.save(trial.build(), tmp_path / "gentk_kinds" / "weights" / "points", recipe="points")
        spec = trial.data.spec
        gone(tmp_path)
        tried = trial_of("gaussian", tmp_path / "again").found
    assert (tried.recipe.dataset.name, tried.data.spec, tried.recipe.training.batch_size) == ("synthetic", spec, 8)


def test_without_data_and_weights_there_is_nothing_to_try_it_with(tmp_path: Path) -> None:
    with kinds(tmp_path, [*NAMED, ("plugin.py", ', weights="weights/points"', "")]):
        gone(tmp_path)
        trial = trial_of("gaussian", tmp_path / "made")
        with pytest.raises(Failure, match="its recipe's data 'folder:/nowhere' cannot be had here"):
            _ = trial.found
        with pytest.raises(Skip, match="see has-recipe: its recipe's data"):
            _ = trial.model


def test_downloads_of_before_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENTK_DATA", str(tmp_path / "mine"))
    with no_downloads(tmp_path):
        assert os.environ["GENTK_DATA"] == str(tmp_path / "data")
    assert os.environ["GENTK_DATA"] == str(tmp_path / "mine")
    monkeypatch.delenv("GENTK_DATA")
    with no_downloads(tmp_path):
        assert "GENTK_DATA" in os.environ
    assert "GENTK_DATA" not in os.environ


def test_what_fails_is_told_once(tmp_path: Path) -> None:
    """By the check that it belongs to; those that need what is not there say where to look."""
    nan = ("gradient.py", 'return {"loss": cross', 'return {"loss": torch.nan * cross')
    with kinds(tmp_path, [nan]):
        suite = Suite("kinds")
        found = [suite.run(case) for case in suite.select(model="guide")]
        suite.close()
    assert [result.check for result in found if result.status == "failed"] == ["trains-everything"]
    assert any(result.reason.startswith("see trains-everything: GentkError: the loss of phase 'main' is nan") for result in found)


def test_one_draw_for_every_way_of_drawing(tmp_path: Path) -> None:
    """A model that can be drawn from in two ways is, by both."""
    draw = "    def draw(self, n, noise, cond):\n        return self.decode(self.prior(n, noise), cond)\n\n"
    with kinds(tmp_path, [("gradient.py", "    def encode", f"{draw}    def encode")]):
        assert [type(sampler).__name__ for sampler in trial_of("autoencoder", tmp_path / "made").samplers] == ["Prior", "Direct"]
