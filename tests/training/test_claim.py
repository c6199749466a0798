"""A run's folder belongs to one training at a time, for as long as its process lives."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from gentk.distributed import Ranks
from gentk.errors import GentkError, UsageError
from gentk.runs import LOCK, Run
from gentk.training.claim import Claim, fresh

SPAWN = multiprocessing.get_context("spawn")
FORK = multiprocessing.get_context("fork")


def hold(folder: Path, end: Connection) -> None:
    """Claim, say what came of it, and hold on until told."""
    try:
        claim: Claim | None = Claim(Run(folder), resume=False)
        end.send("mine")
    except UsageError as error:
        claim = None
        end.send(str(error))
    end.recv()
    if claim:
        claim.close()


def holders(folder: Path, count: int) -> list[tuple[Any, Connection]]:
    found = []
    for _ in range(count):
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=hold, args=(folder, theirs))
        process.start()
        found.append((process, ours))
    return found


def test_of_several_that_start_at_once_one_trains_and_the_others_name_it(tmp_path: Path) -> None:
    started = holders(tmp_path / "run", 4)
    said = [end.recv() for _, end in started]
    assert said.count("mine") == 1
    winner, _ = started[said.index("mine")]
    assert all(f"is being trained in by process {winner.pid} on " in text for text in said if text != "mine")
    with pytest.raises(UsageError, match=f"by process {winner.pid}"):
        Claim(Run(tmp_path / "run"), resume=False)
    for _, end in started:
        end.send("done")
    for process, _ in started:
        process.join(60)
    assert not (tmp_path / "run").exists()  # nothing was written into it
    Claim(Run(tmp_path / "run"), resume=False).close()


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    [(process, end)] = holders(tmp_path / "run", 1)
    assert end.recv() == "mine"
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert (tmp_path / "run" / LOCK).exists()
    Claim(Run(tmp_path / "run"), resume=False).close()


def test_a_forked_child_does_not_hold_it_on(tmp_path: Path) -> None:
    claim = Claim(Run(tmp_path / "run"), resume=False)
    gate = FORK.Event()
    child = FORK.Process(target=gate.wait, args=(60,))
    child.start()
    (tmp_path / "run" / "recipe.toml").write_text("")
    claim.close()
    Claim(Run(tmp_path / "run"), resume=True).close()
    gate.set()
    child.join(60)


def test_one_process_does_not_train_twice_in_a_folder(tmp_path: Path) -> None:
    claim = Claim(Run(tmp_path), resume=False)
    with pytest.raises(UsageError, match=f"by process {os.getpid()} on "):
        Claim(Run(tmp_path), resume=False)
    claim.close()


def test_leftovers_of_killed_trainings_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("")
    for name in ("state/.step-00000007.tmp/model.safetensors", ".loss.4711.tmp.png", "log.jsonl.tmp", "samples/.step-1.12.tmp.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("half")
    kept = {"recipe.toml", "samples/mine.png", "notes.txt", "state/step-00000005/state.json"}
    for name in kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    claim = Claim(Run(tmp_path), resume=True)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == kept | {LOCK}
    claim.close()
    assert not (tmp_path / LOCK).exists()


def test_a_folder_that_is_no_run_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_text("")
    with pytest.raises(UsageError, match="is not empty: choose another --out"):
        Claim(Run(tmp_path), resume=False)
    with pytest.raises(UsageError, match="holds no run to resume"):
        Claim(Run(tmp_path / "nothing"), resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.png"]


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("log.jsonl", Path.mkdir, "log.jsonl is no file"),
        ("log.jsonl", os.mkfifo, "log.jsonl is no file"),
        ("state", Path.touch, "state is no folder"),
        ("samples", os.mkfifo, "samples is no folder"),
        ("best", Path.touch, "best is no folder"),
        (LOCK, os.mkfifo, "is not a regular file"),
        (LOCK, Path.mkdir, "cannot train in"),
    ],
)
def test_parts_of_the_wrong_kind_are_named_and_never_waited_for(name: str, make: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("")
    make(tmp_path / name)
    with pytest.raises(UsageError, match=said) as told:
        Claim(Run(tmp_path), resume=True)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["file/run", "n" * 300])
def test_a_place_that_cannot_be_made_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot train in .*choose another --out"):
        Claim(Run(tmp_path / name), resume=False)


def test_fresh_folders_are_made_at_once(tmp_path: Path) -> None:
    assert [fresh(tmp_path / "runs" / "a").name for _ in range(3)] == ["a", "a-1", "a-2"]


def disagree(folder: Path, rank: int, end: Connection) -> None:
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    ranks = Ranks()
    try:
        said = ranks.agreed(lambda: "agreed")
        ranks.agreed(lambda: Claim(Run(folder / "taken"), resume=False) and None)
        end.send("no error")
    except GentkError as error:
        end.send(f"{said}: {error}")
    dist.destroy_process_group()


def test_all_ranks_stop_with_the_same_line(tmp_path: Path) -> None:
    claim = Claim(Run(tmp_path / "taken"), resume=False)
    started = []
    for rank in range(2):
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=disagree, args=(tmp_path, rank, theirs))
        process.start()
        started.append((process, ours))
    said = {end.recv() for _, end in started}
    for process, _ in started:
        process.join(60)
    claim.close()
    assert len(said) == 1 and f"agreed: {tmp_path / 'taken'} is being trained in by process {os.getpid()}" in min(said)
