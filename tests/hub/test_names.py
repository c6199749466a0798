"""What a name of weights means when it may be one of the Hub, and what a command line asks of the Hub for it."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gentk
from gentk.cli import run
from gentk.errors import GentkError, UsageError
from gentk.weights import hub as reading
from gentk.weights.hub import cache
from gentk.weights.names import bundled, locate
from tests.hub.server import Hub, Repo
from tests.running import gentk as process

SHA = "0123456789abcdef" * 2 + "01234567"
NAMES = {
    "user/repo": ("user/repo", None),
    "user/repo@v1.0": ("user/repo", "v1.0"),
    "user/repo@v2+rc1": ("user/repo", "v2+rc1"),
    "Us-er_1/re.po@refs/pr/1": ("Us-er_1/re.po", "refs/pr/1"),
    f"user/repo@{SHA}": ("user/repo", SHA),
}
NO_NAMES = [
    "user", "user/", "/repo", "user/repo/x", "./repo", "../repo", "~/repo", "user/..", "us..er/repo", "us--er/repo", "user/repo.git",
    "user/repo.", "user/repo@", "user/repo@../x", "user/repo@a b", "user/repo\n", "ä/ö", "user\\repo", "https://x/y", "-x/repo",
    "user/" + "r" * 97,
]  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, client: pytest.MonkeyPatch) -> None:
    client.chdir(tmp_path)
    client.setenv("COLUMNS", "300")


# ---------------------------------------------------------------- names
@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_hub(name: str) -> None:
    assert reading.repository(name) == NAMES[name]


@pytest.mark.parametrize("name", NO_NAMES)
def test_no_name_of_the_hub(name: str, hub: Hub) -> None:
    assert reading.repository(name) is None
    with pytest.raises(GentkError):
        locate(name)
    assert hub.requests() == []


def test_a_folder_then_a_plugin_then_the_hub(hub: Hub, repo: Repo, tiny: Path) -> None:
    hub.repo("ddpm/moons", tiny)
    assert locate("ddpm/moons") == bundled("ddpm", "moons") and hub.requests() == []
    found = locate("user/tiny@v1")
    assert (found.title, found.folder.name) == ("user/tiny@v1", repo.sha())
    hub.requests()
    gentk.save(gentk.load(tiny), "user/tiny")
    assert locate("user/tiny").folder == Path("user/tiny") and hub.requests() == []


def test_a_slip_is_told_what_there_is(hub: Hub) -> None:
    with pytest.raises(GentkError, match=r"no folder runs/moon here, and there is no repository runs/moon, or it is private") as caught:
        locate("runs/moon")
    assert "did you mean" not in str(caught.value)
    with pytest.raises(GentkError, match=r"did you mean plugin 'ddpm'\?"):
        locate("dppm/mnist")
    with pytest.raises(UsageError, match=r"no folder \./runs/moon"):
        locate("./runs/moon")


# ---------------------------------------------------------------- a command line
def test_a_line_asks_once(hub: Hub, repo: Repo) -> None:
    assert run(["sample", "--weights", "user/tiny", "-n", "2", "--label", "1", "--out", "a.npz"]) == 0
    asked = hub.requests()
    assert sum("/api/" in request for request in asked) == 1 and sum("/cdn/" in request for request in asked) == 1
    assert run(["sample", "--weights", "user/tiny", "-n", "2", "--label", "1", "--out", "b.npz"]) == 0
    assert hub.requests() == ["GET /api/models/user/tiny"]
    assert np.array_equal(np.load("a.npz")["x"], np.load("b.npz")["x"])
    repo.commit({"README.md": b"new"})
    assert run(["sample", "--weights", "user/tiny", "-n", "2", "--out", "b.npz"]) == 0  # the next line asks anew
    assert f"HEAD /user/tiny/resolve/{repo.sha()}/config.json" in hub.requests()


def test_a_line_compares_each_file_once(repo: Repo, client: pytest.MonkeyPatch) -> None:
    compared, digest = [], cache.digest
    client.setattr(cache, "digest", lambda path, like: compared.append(path.name) or digest(path, like))
    assert run(["sample", "--weights", "user/tiny", "-n", "2", "--out", "a.npz"]) == 0
    assert sorted(compared) == ["config.json", "model.safetensors", "recipe.toml"]


def test_the_download_comes_before_the_bar_of_the_samples(repo: Repo, client: pytest.MonkeyPatch) -> None:
    """Two bars at once would hide each other."""
    here: list[bool] = []

    def bar(title: str, n: int, *, silent: bool) -> nullcontext[Any]:
        here.append(cache.whole(cache.snapshot("user/tiny", repo.sha())))
        return nullcontext(lambda step, first: None)

    client.setattr("gentk.cli.drawing.progress", bar)
    assert run(["sample", "--weights", "user/tiny", "-n", "2", "--out", "a.npz"]) == 0 and here == [True]


def test_help_asks_nothing(hub: Hub, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "--weights", "user/tiny", "--help"]) == 0
    shown = capsys.readouterr()
    assert hub.requests() == [] and "--seed" in shown.out and "--label" not in shown.out
    assert "user/tiny is not in the cache, and help and completion ask nothing of the Hub" in shown.err
    reading.describe("user/tiny")
    hub.requests()
    assert run(["sample", "--weights", "user/tiny", "--help"]) == 0
    assert hub.requests() == [] and "--label" in capsys.readouterr().out


COMPLETE = "import sys; sys.argv = ['gentk']; from gentk.cli import main; main()"


def test_completion_asks_nothing(hub: Hub, repo: Repo, environment: dict[str, str]) -> None:
    import os
    import subprocess

    words = "gentk sample --weights user/tiny --la"
    env = {**os.environ, **environment, "COMP_WORDS": words, "COMP_CWORD": "4", "_GENTK_COMPLETE": "complete_bash"}
    for offered in (False, True):
        done = subprocess.run([sys.executable, "-c", COMPLETE], capture_output=True, text=True, env=env)
        assert ("--label" in done.stdout.split()) == offered and hub.requests() == [], done.stderr
        reading.describe("user/tiny")
        hub.requests()


def test_a_wrong_flag_costs_no_numbers(hub: Hub, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "--weights", "user/tiny", "--label", "7"]) == 2
    assert "classes are 0-2" in capsys.readouterr().err
    assert not [asked for asked in hub.requests() if "safetensors" in asked]


def test_inspect_and_other_commands(hub: Hub, repo: Repo, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "user/tiny"]) == 0
    assert "user/tiny" in capsys.readouterr().out
    assert run(["export", "user/tiny", "--out", "x"]) == 1  # points: the format has none, but the weights were found
    assert "U-Net" in capsys.readouterr().err
    assert run(["inspect", "user/none"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: no folder user/none here") and err.count("\n") == 1


def test_a_process_of_its_own(hub: Hub, repo: Repo, environment: dict[str, str], tmp_path: Path, tiny: Path) -> None:
    """As it is typed by somebody who never heard of telemetry; then without the Hub."""
    unaware = {**environment, "HF_HUB_DISABLE_TELEMETRY": "0"}
    line = ["sample", "--weights", "user/tiny@v1", "-n", "2", "--out"]
    done = process(*line, "a.npz", cwd=tmp_path, **unaware)
    assert done.returncode == 0 and "user/tiny@v1" in done.stdout, done.stderr
    hub.stop()
    done = process(*line, "b.npz", cwd=tmp_path, **{**unaware, "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0 and "Error" not in done.stderr, done.stderr
    wanted = gentk.sample(gentk.load(tiny), 2)["x"]
    for name in ("a.npz", "b.npz"):
        assert torch.equal(torch.from_numpy(np.load(tmp_path / name)["x"]), wanted)
    done = process("sample", "--weights", "user/other", cwd=tmp_path, **unaware)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "does not answer" in done.stderr
