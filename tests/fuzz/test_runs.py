"""What can happen to a run, tried many times: `uv run pytest -m fuzz tests/fuzz/test_runs.py -s` prints how often it went wrong (0).

A run must end as one that nothing happened to, or be refused in one line. tests/training holds a case of each, which always runs.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import gentk
from gentk.errors import GentkError
from gentk.runs import Run
from gentk.training import state
from tests.training.killed import recipe

pytestmark = pytest.mark.fuzz
SPAWN = multiprocessing.get_context("spawn")
SHORT = ["training.steps=400", "training.checkpoint_every=20", "training.preview_every=0", "training.evaluate_every=0",
         "training.batch_size=8", "model.config.width=8", "model.config.blocks=1"]  # fmt: skip
TRAIN = ["train", "--recipe", "moons", *(word for key in SHORT for word in ("--set", key))]


@pytest.fixture(scope="module")
def straight(stranger: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gentk.train(recipe(), out=tmp_path_factory.mktemp("straight") / "run").folder


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    newest = state.latest(folder / "state")
    assert newest is not None
    return {f"{name}/{key}": t for name, group in state.read(newest).tensors.items() for key, t in group.items()}


def same(one: Path, two: Path) -> bool:
    first, second = tensors(one), tensors(two)
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def told(what: str, tried: int, wrong: list[str]) -> None:
    print(f"\n{what}: tried {tried}, wrong {len(wrong)}")
    assert not wrong, wrong[:5]


def resumed(folder: Path, straight: Path) -> str:
    """Nothing where the run goes on to the same end or is refused in one line; else what went wrong."""
    try:
        gentk.train(recipe(), out=folder, resume=True)
    except GentkError as error:
        return "" if "\n" not in str(error) else f"several lines: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "" if same(folder, straight) else "other numbers"


@pytest.mark.parametrize("part", ["state", "log", "recipe"])
def test_flips_in_every_region(part: str, straight: Path, tmp_path: Path) -> None:
    chance, wrong, tried = random.Random(part), [], 0
    newest = state.latest(straight / "state")
    assert newest is not None
    inside = {"log": ["log.jsonl"], "recipe": ["recipe.toml"], "state": [f"state/{newest.name}/{path.name}" for path in newest.iterdir()]}
    for name in sorted(inside[part]):
        length = (straight / name).stat().st_size
        for k in range(16 if part == "state" else 40):
            folder = Path(shutil.copytree(straight, tmp_path / f"{tried}"))
            raw = bytearray((folder / name).read_bytes())
            raw[min(length * k // 16 if part == "state" else length * k // 40, length - 1)] ^= 1 << chance.randrange(8)
            (folder / name).write_bytes(raw)
            said = ""
            if part == "recipe":
                said = by_command(folder)
            else:
                shutil.rmtree(folder / "state" / newest.name) if part == "log" else None
                said = resumed(folder, straight)
            tried += 1
            if said:
                wrong.append(f"{name} at {k}: {said}")
            shutil.rmtree(folder)
    told(f"flips in the {part}", tried, wrong)


def by_command(folder: Path) -> str:
    """The recipe is read from the folder: a changed setting is refused, or said."""
    from gentk.host.lookup import recipe as resolve
    from gentk.training.resuming import MAY_CHANGE, changes

    try:
        found = changes(recipe(), resolve("stranger", str(folder / "recipe.toml"), []))
    except GentkError as error:
        return "" if "\n" not in str(error) else f"several lines: {error}"
    return "" if found.keys() <= MAY_CHANGE else f"changed {sorted(found)}"


def process(folder: Path, *words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "gentk", *words, "--out", str(folder)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert process(folder, *TRAIN).wait() == 0
    return folder


def wait_for(folder: Path, rows: int, alive: Callable[[], bool]) -> None:
    while alive() and len(Run(folder).log()) < rows:
        time.sleep(0.002)


def test_thirty_kills(whole: Path, tmp_path: Path) -> None:
    """In runs of 400 rounds, each killed and gone on with until it has been killed five times."""
    chance, wrong = random.Random(30), []
    for k in range(6):
        folder = tmp_path / str(k)
        for j in range(5):
            started = process(folder, *(("train", "--resume") if (folder / "recipe.toml").exists() else TRAIN))
            wait_for(folder, 7 * j + 1, lambda started=started: started.poll() is None)  # type: ignore[misc]
            time.sleep(chance.random() * 0.15)
            started.kill()
            started.communicate()
        last = process(folder, *(("train", "--resume") if (folder / "recipe.toml").exists() else TRAIN))
        _, said = last.communicate()
        if last.returncode or not same(folder, whole) or list(folder.rglob("*.tmp*")):
            wrong.append(f"{k}: {last.returncode} {said[-300:]}")
    told("kills", 30, wrong)


def test_two_trainers_at_once(tmp_path: Path) -> None:
    wrong = []
    for k in range(5):
        folder = tmp_path / str(k)
        words = TRAIN if k < 3 else ("train", "--resume")
        if k >= 3:
            assert process(folder, *TRAIN, "--max-steps", "30").wait() == 0
        both = [process(folder, *words) for _ in range(2)]
        said = [one.communicate()[1] for one in both]
        codes = sorted(one.returncode for one in both)
        steps = [row["step"] for row in Run(folder).log()]
        refused = re.search(r"is being trained in by process \d+|is not empty", "".join(said))
        if codes != [0, 2] or not refused or len(set(steps)) != len(steps):
            wrong.append(f"{codes} {said}")
    told("two trainers", 5, wrong)


def test_two_torchruns_at_once(tmp_path: Path) -> None:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "gentk", *TRAIN]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [subprocess.Popen([*start, "--out", str(tmp_path / "run")], stderr=subprocess.PIPE, text=True, env=env) for _ in range(2)]
    said = [one.communicate()[1] for one in both]
    codes = sorted(bool(one.returncode) for one in both)
    steps = [row["step"] for row in Run(tmp_path / "run").log()]
    fine = codes == [False, True] and len(set(steps)) == len(steps) and re.search("being trained in|not empty", "".join(said))
    told("two torchruns", 1, [] if fine else said)


def test_sigterm_twice(whole: Path, tmp_path: Path) -> None:
    wrong = []
    for k in range(5):
        folder = tmp_path / str(k)
        started = process(folder, *TRAIN)
        wait_for(folder, 3, lambda started=started: started.poll() is None)  # type: ignore[misc]
        for _ in range(2):
            started.send_signal(signal.SIGTERM)
            time.sleep(0.01 * k)
        started.communicate()
        last = process(folder, "train", "--resume")
        if started.returncode not in (143, -15, 0) or last.wait() or not same(folder, whole):
            wrong.append(f"{k}: {started.returncode}")
    told("SIGTERM twice", 5, wrong)


def test_not_a_number_on_round_3_of_10(stranger: None, tmp_path: Path) -> None:
    from gentk.training import Training

    asked = recipe()
    asked.training.steps = 10
    training = Training(asked, tmp_path / "run")
    kind = type(training.trainer.model)
    loss = kind.loss

    def broken(self: object, batch: object, phase: str, step: int) -> object:
        found = loss(self, batch, phase, step)
        return {**found, "loss": found["loss"] * float("nan")} if step == 3 else found

    kind.loss = broken
    try:
        with pytest.raises(GentkError, match="at step 3") as error:
            list(training)
    finally:
        kind.loss = loss
    wrong = [] if "\n" not in str(error.value) and "step 3 is saved" in str(error.value) else [str(error.value)]
    gentk.train(asked, out=tmp_path / "run", resume=True)
    gentk.train(asked, out=tmp_path / "straight")
    told("a loss that is no number", 1, wrong if same(tmp_path / "run", tmp_path / "straight") else ["other numbers", *wrong])
