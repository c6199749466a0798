"""What we publish, and what an error offers."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from gentk.host import lookup
from gentk.host.catalogue import KINDS, offer, published
from tests.fakes import GOOD, fake
from tests.running import gentk
from tests.wheels.workshop import Workshop

PLUGINS = Path(__file__).parents[2] / "plugins"


def test_every_plugin_of_the_repository_is_in_the_catalogue_and_nothing_else() -> None:
    wanted = {}
    for path in PLUGINS.glob("*/pyproject.toml"):
        project = tomllib.loads(path.read_text())["project"]
        wanted |= dict.fromkeys(project["entry-points"]["gentk"], project["name"])
    assert {entry.plugin: entry.distribution for entry in published().values()} == wanted
    assert all(entry.summary and entry.keywords and "\n" not in entry.summary for entry in published().values())


@pytest.mark.parametrize("plugin", sorted(published()))
def test_the_catalogue_names_what_each_plugin_offers(plugin: str) -> None:
    found = {kind: tuple(sorted(lookup.specs(kind, plugin))) for kind in KINDS}
    assert published()[plugin].offers == {kind: names for kind, names in found.items() if names}


def test_what_a_plugin_that_is_not_there_offers_is_told_with_the_command(workshop: Workshop, tmp_path: Path) -> None:
    made = workshop.environment(tmp_path / "env", "gentk-ddpm")
    lines = {"moons": "train --recipe moons --dry-run", "mnist": "train --dataset mnist --dry-run", "digits": "plot data digits"}
    for name, line in lines.items():
        failed = made.gentk(*line.split())
        told = f"error: no data set '{name}'; gentk-datasets offers it: gentk plugins install datasets\n"
        assert (failed.returncode, failed.stderr) == (2, told)
    disabled = gentk("plot", "data", "moons", "-x", "datasets")
    assert disabled.returncode == 2 and "; gentk-datasets offers it, and is disabled: blocked by -x" in disabled.stderr
    assert "did you mean 'mnist'?" in gentk("train", "--dataset", "mnizt", "--dry-run").stderr


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed."""
    monkeypatch.setattr("gentk.host.catalogue.entries", lambda group: ())


def test_a_published_plugin_is_offered_with_the_command_that_installs_it(alone: None) -> None:
    assert offer("vae") == "; gentk-vae offers it: gentk plugins install vae"


def test_a_misspelt_name_is_compared_with_what_is_published(alone: None) -> None:
    assert offer("classicl") == "; did you mean 'classical'?"


def test_only_installed_names_are_listed_as_there(alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offer("tides") == ""

    class Point:
        name = "stranger"

    monkeypatch.setattr("gentk.host.catalogue.entries", lambda group: (Point(),))
    assert offer("tides") == "; there is: stranger"
    assert offer("strangr") == "; did you mean 'stranger'?"


def test_search_needs_all_words_and_says_what_is_installed(tmp_path: Path) -> None:
    fake(tmp_path, "gentk-good", "good", GOOD.format(name="good"))
    rows = json.loads(gentk("plugins", "search", "--json", site=tmp_path).stdout)
    assert [row["plugin"] for row in rows] == sorted(published())
    assert {tuple(row) for row in rows} == {("plugin", "installed", "distribution", "summary")}
    assert all(row["installed"] is True for row in rows)  # of the repository's own environment
    assert [row["plugin"] for row in json.loads(gentk("plugins", "search", "Latent LAW", "--json").stdout)] == ["vae"]
    nothing = gentk("plugins", "search", "latent zebra")
    assert nothing.returncode == 0 and "nothing is published about 'latent zebra'" in nothing.stdout


def test_the_search_imports_nothing_heavy_and_opens_no_plugin(tmp_path: Path) -> None:
    fake(tmp_path, "gentk-boom", "boom", "raise SystemExit('imported')")
    found = gentk("plugins", "search", site=tmp_path)
    assert found.returncode == 0 and "imported" not in found.stderr + found.stdout


def test_an_unknown_plugin_on_the_line() -> None:
    failed = gentk("sample", "--plugin", "ddmp")
    assert failed.returncode == 2 and "no plugin 'ddmp' is installed; did you mean 'ddpm'?" in failed.stderr
