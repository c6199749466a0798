"""The installed plugins as requirements, and back."""

from __future__ import annotations

import json
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from gentk.errors import UsageError
from gentk.host import freezing
from gentk.host.wanted import Wanted
from tests.fakes import GOOD, fake
from tests.host.test_installing import names
from tests.wheels.workshop import Workshop, plugin_wheel

PROJECT = """
[build-system]
requires = ["uv_build>=0.9,<1"]
build-backend = "uv_build"
[project]
name = "gentk-tides"
version = "0.2"
dependencies = ["gentk-core"]
[project.entry-points.gentk]
tides = "gentk_tides.plugin"
[tool.uv.build-backend]
module-root = ""
"""


def test_what_is_frozen_is_restored_elsewhere(workshop: Workshop, tmp_path: Path) -> None:
    tides = tmp_path / "my tides"
    (tides / "gentk_tides").mkdir(parents=True)
    (tides / "pyproject.toml").write_text(PROJECT)
    (tides / "gentk_tides" / "__init__.py").touch()
    (tides / "gentk_tides" / "plugin.py").write_text(GOOD.format(name="tides"))
    seas = plugin_wheel(tmp_path / "shelf", "gentk-seas", "seas", GOOD.format(name="seas"))
    first = workshop.environment(tmp_path / "first", "gentk-vae", seas, "-e", tides)
    frozen = first.gentk("plugins", "freeze", "--out", "plugins.txt")
    assert frozen.returncode == 0 and frozen.stdout == "plugins.txt: 3 plugins\n"
    lines = (tmp_path / "plugins.txt").read_text().splitlines()
    assert lines == [f"gentk-seas @ {seas.as_uri()}", f"-e {tides.as_uri()}", "gentk-vae==0.1.0"]
    second = workshop.environment(tmp_path / "second", "gentk-vae")
    restored = second.gentk("plugins", "restore", "plugins.txt", *workshop.flags)
    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.startswith("gentk-vae==0.1.0 is there already\n")
    assert "tides (gentk-tides 0.2) is installed: tides" in restored.stdout
    assert names(second) == {"seas", "tides", "vae"} and second.gentk("plugins", "freeze").stdout.splitlines() == lines
    assert json.loads(second.gentk("plugins", "restore", "plugins.txt", "--json").stdout) == {"installed": [], "present": lines}


def described(site: Path, direct: object) -> str:
    """The line of a distribution with this direct_url.json."""
    fake(site, "gentk-seas", "seas", None)
    info = site / "gentk_seas-1.0.dist-info"
    (info / "direct_url.json").write_text(json.dumps(direct))
    return freezing.line(PathDistribution(info))


@pytest.mark.parametrize(
    ("direct", "line"),
    [
        ({}, "gentk-seas==1.0"),
        ({"url": "https://x/y.whl", "archive_info": {}}, "gentk-seas @ https://x/y.whl"),
        ({"url": "https://x/y", "vcs_info": {"vcs": "git", "commit_id": "abc"}}, "gentk-seas @ git+https://x/y@abc"),
        ({"url": "https://x/y.zip", "archive_info": {}, "subdirectory": "d"}, "gentk-seas @ https://x/y.zip#subdirectory=d"),
        ({"url": "file:///no/such/y.whl", "archive_info": {}}, "# gentk-seas==1.0 was installed from file:///no/such/y.whl, which is gone"),
    ],
)
def test_a_line_says_where_it_can_be_had_again(direct: object, line: str, tmp_path: Path) -> None:
    assert described(tmp_path, direct) == line


def test_a_folder_is_editable_or_copied(tmp_path: Path) -> None:
    url = tmp_path.as_uri()
    assert described(tmp_path / "a", {"url": url, "dir_info": {"editable": True}}) == f"-e {url}"
    assert described(tmp_path / "b", {"url": url, "dir_info": {}}) == f"gentk-seas @ {url}"


def test_versions_are_compared_and_comments_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, "gentk-seas", "seas", None, version="1.5")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "# a comment\n\ngentk-seas>=1,<2  # why\ngentk-seas==2.0\ngentk-lakes==1.0\n"
    lacking, present = freezing.missing(text, "x.txt")
    assert lacking == [Wanted("gentk-seas==2.0", "gentk-seas"), Wanted("gentk-lakes==1.0", "gentk-lakes")]
    assert present == ["gentk-seas>=1,<2"]


@pytest.mark.parametrize("line", ["--index-url http://evil", "-r other.txt", "-e ./nothing", "two words", "gentk-core==0.1"])
def test_a_line_that_is_no_plugin_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(UsageError, match=r"x\.txt, line 2: "):
        freezing.missing(f"# first\n{line}\n", "x.txt")


def test_a_file_that_cannot_be_read() -> None:
    from tests.running import gentk

    failed = gentk("plugins", "restore", "no.txt")
    assert failed.returncode == 2 and failed.stderr == "error: cannot read no.txt: No such file or directory\n"
