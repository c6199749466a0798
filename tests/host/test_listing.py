"""`gentk plugins` and `gentk plugins show`: what a person and a program are told."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes import GOOD, fake
from tests.running import gentk

ROW = ["name", "status", "reason", "distribution", "version", "editable", "location", "models"]
MORE = ["requires", "recipes", "weights", "datasets", "samplers", "schedules", "metrics", "featurizers", "modalities", "importers"]

SEVERAL = GOOD + """
from gentk.host import RecipeSpec, SamplerSpec
@hookimpl
def gentk_recipes():
    return [RecipeSpec("calm", "calm.toml", weights="weights/calm"), RecipeSpec("storm", "storm.toml")]
@hookimpl
def gentk_samplers():
    return [SamplerSpec("[red]drift", "x:Y")]
"""


def test_show_tells_all_that_a_plugin_offers(tmp_path: Path) -> None:
    fake(tmp_path, "gentk-seas", "seas", SEVERAL.format(name="seas"), requires="gentk-core[ode]<9,>=0.1\nRequires-Dist: gentk-lakes")
    row = json.loads(gentk("plugins", "show", "seas", "--json", site=tmp_path).stdout)
    assert list(row)[: len(ROW)] == ROW and sorted(list(row)[len(ROW) :]) == sorted(MORE)
    assert row["requires"] == ["gentk-core[ode]<9,>=0.1"] and row["models"] == ["seas"]
    assert row["recipes"] == ["calm", "storm"] and row["weights"] == ["calm"] and row["samplers"] == ["[red]drift"]
    shown = gentk("plugins", "show", "seas", site=tmp_path).stdout
    assert "gentk-seas 1.0" in shown and "gentk-core[ode]<9,>=0.1" in shown and "[red]drift" in shown and "schedules" not in shown


def test_a_broken_plugin_is_shown_with_its_reason(tmp_path: Path) -> None:
    fake(tmp_path, "gentk-seas", "seas", "raise ValueError('[bold]no')")
    row = json.loads(gentk("plugins", "show", "seas", "--json", site=tmp_path).stdout)
    assert row["status"] == "failed" and "[bold]no" in row["reason"] and row["models"] == row["recipes"] == []
    for words in (["show", "seas"], []):
        assert "ValueError: [bold]no" in gentk("plugins", *words, site=tmp_path).stdout


def test_the_list_says_no_more_than_a_row(tmp_path: Path) -> None:
    fake(tmp_path, "gentk-seas", "se[bold]as", GOOD.format(name="seas"))
    rows = json.loads(gentk("plugins", "--json", site=tmp_path).stdout)
    assert all(list(row) == ROW for row in rows)
    assert "se[bold]as" in gentk("plugins", site=tmp_path).stdout
