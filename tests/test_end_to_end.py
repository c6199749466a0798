"""The whole path of a plugin: written, built, installed, trained, checked, its weights published, and drawn from by a stranger.

Every environment holds what wheels brought and nothing else; the Hub is the loopback's, the client and the installer are the real ones.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.hub.server import Hub
from tests.wheels.workshop import Installed, Workshop

TOKEN = "hf_good"  # of the loopback's user called "user"


def done(installed: Installed, *words: str | Path, **env: str) -> str:
    """A command that must succeed, told as it is run; what it says on stdout."""
    print(f"{installed.prefix.name}$ gentk {' '.join(map(str, words))}")
    finished = installed.gentk(*words, **env)
    print(finished.stdout + finished.stderr)
    assert finished.returncode == 0
    return finished.stdout


def refused(installed: Installed, *words: str | Path, **env: str) -> str:
    """A command that must fail, in one line."""
    print(f"{installed.prefix.name}$ gentk {' '.join(map(str, words))}")
    finished = installed.gentk(*words, **env)
    print(finished.stdout + finished.stderr)
    assert finished.returncode == 1 and finished.stdout == "" and finished.stderr.count("\n") == 1
    return finished.stderr


def author(workshop: Workshop, hub: dict[str, str], desk: Path) -> Path:
    """Environment 1: from nothing to weights on the Hub; the plugin's wheel."""
    one = workshop.environment(desk / "one")
    done(one, "plugins", "new", "gentk-tides", "--kind", "statistics")
    built = one.run(workshop.uv, "build", "--wheel", "gentk-tides")
    assert built.returncode == 0, built.stderr
    [wheel] = (desk / "gentk-tides" / "dist").glob("*.whl")
    assert "tides (gentk-tides 0.1.0) is installed: tides" in done(one, "plugins", "install", wheel, *workshop.flags)
    done(one, "train", "--plugin", "tides", "--out", "runs/tides")
    checked = json.loads(done(one, "plugins", "check", "tides", "--json"))
    assert checked["summary"]["failed"] == checked["summary"]["xfailed"] == 0 and checked["summary"]["passed"] > 20
    done(one, "push", "runs/tides", "user/tides", HF_TOKEN=TOKEN, **hub)
    done(one, "sample", "--weights", "runs/tides", "-n", "4", "--seed", "7", "--out", "one.npz")
    return wheel


def stranger(workshop: Workshop, hub: dict[str, str], desk: Path, wheel: Path) -> None:
    """Environment 2: the wheel, and a name on the Hub."""
    two = workshop.environment(desk / "two", wheel)
    [row] = json.loads(done(two, "search", "tides", "--json", **hub))
    assert row["name"] == "user/tides" and row["plugin"] == "tides" and row["installed"] is True
    done(two, "sample", "--weights", "user/tides", "-n", "4", "--seed", "7", "--out", "two.npz", **hub)
    done(two, "pull", "user/tides", "--out", "pulled", **hub)
    done(two, "sample", "--weights", "pulled", "-n", "4", "--seed", "7", "--out", "three.npz")


def nobody(workshop: Workshop, hub: dict[str, str], desk: Path) -> None:
    """Environment 3: gentk alone is told which distribution to install, and installs nothing by itself."""
    three = workshop.environment(desk / "three")
    [row] = json.loads(done(three, "search", "tides", "--json", **hub))
    assert row["installed"] is False
    for words in (("sample", "--weights", "user/tides", "--out", "no.npz"), ("sample", "--weights", desk / "pulled", "--out", "no.npz")):
        assert "weights need plugin 'tides', which is not installed" in (line := refused(three, *words, **hub))
        assert "gentk-tides" not in line  # the weights' own word for what to install is a stranger's
    assert not list(three.site.glob("gentk_tides*")) and not (desk / "no.npz").exists()


def test_from_nothing_to_a_strangers_samples(workshop: Workshop, tmp_path: Path) -> None:
    with Hub() as server:
        hub = {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        wheel = author(workshop, {**hub, "HF_HOME": str(tmp_path / "hf1")}, tmp_path)
        stranger(workshop, {**hub, "HF_HOME": str(tmp_path / "hf2")}, tmp_path, wheel)
        nobody(workshop, {**hub, "HF_HOME": str(tmp_path / "hf3")}, tmp_path)
        assert server.unknown == []
    drawn = [np.load(tmp_path / name) for name in ("one.npz", "two.npz", "three.npz")]
    for other in drawn[1:]:
        assert other.files == drawn[0].files and all(np.array_equal(other[key], drawn[0][key]) for key in other.files)
    assert len(drawn[0][drawn[0].files[0]]) == 4
