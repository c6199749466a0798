"""Every name of a plugin changed: the commands go on, so the core knows none but the one default."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.running import gentk

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin ddpm, its package, plugin and models renamed, as an installed distribution."""
    site = tmp_path_factory.mktemp("site")
    package = site / "gentk_zzz"
    shutil.copytree(ROOT / "plugins/ddpm/gentk_ddpm", package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (p for p in package.rglob("*") if p.suffix in (".py", ".toml", ".json")):
        text = path.read_text("utf-8").replace("gentk_ddpm", "gentk_zzz").replace("gentk-ddpm", "gentk-zzz")
        text = text.replace('"ddpm-points"', '"yyy-points"').replace('"ddpm"', '"zzz"')
        path.write_text(text, "utf-8")
    info = site / "gentk_zzz-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gentk-zzz\nVersion: 1.0\nRequires-Dist: gentk-core>=0.1\n")
    (info / "entry_points.txt").write_text("[gentk]\nzzz = gentk_zzz.plugin\n")
    return site


def test_every_command_works_under_other_names(site: Path, tmp_path: Path) -> None:
    def run(*args: str) -> str:
        done = gentk("-x", "ddpm", *args, site=site, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "yyy-points" in run("plugins") and "yyy-points" in run("models") and "mnist" in run("recipes")
    assert json.loads(run("inspect", "zzz/moons", "--json"))["model"] == "yyy-points"
    assert "--label" in run("sample", "--plugin", "zzz", "--help")
    run("sample", "--plugin", "zzz", "--model", "yyy-points", "-n", "3", "--steps", "2", "--out", "a.npz")
    small = [
        "--set",
        "training.batch_size=8",
        "--set",
        "model.config.width=8",
        "--set",
        "training.preview_every=0",
        "--set",
        "training.log_every=1",
    ]
    run("train", "--plugin", "zzz", "--recipe", "moons", "--max-steps", "2", "--out", "run", *small)
    assert json.loads((tmp_path / "run/config.json").read_text())["plugin"] == "zzz"
    run("sample", "--weights", "run", "-n", "2", "--steps", "2", "--label", "1")
    run("plot", "loss", "run")
    assert (tmp_path / "run-loss.png").is_file() and (tmp_path / "run-0.png").is_file()
