"""A row of the log tells of every round since the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import gentk
from gentk.runs import Run
from gentk.training import Trainer
from gentk.training.logs import Means
from gentk.training.pace import Pace

from .killed import recipe
from .toys import Duel, Rows, settings

pytestmark = pytest.mark.usefixtures("stranger")
TIMED = ("steps_per_second", "peak_memory_mb")


def rows(folder: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in TIMED} for row in Run(folder).log()]


def sparse(**changes: Any) -> Any:
    made = recipe()
    for name, value in {"log_every": 5, "evaluate_every": 0, "checkpoint_every": 3, **changes}.items():
        setattr(made.training, name, value)
    return made


def test_a_row_is_the_mean_of_the_rounds_since_the_last(tmp_path: Path) -> None:
    each: list[dict[str, float]] = []
    gentk.train(sparse(), out=tmp_path / "run", on_progress=lambda progress: each.append(dict(progress.logs)))
    found = rows(tmp_path / "run")
    assert [row["step"] for row in found] == [5, 10, 15, 20]
    assert any("generator/loss" not in logs for logs in each)  # every second round
    for row in found:
        part = each[row["step"] - 5 : row["step"]]
        assert row.keys() - {"step"} == set().union(*part)
        for name in row.keys() - {"step"}:
            ran = [logs[name] for logs in part if name in logs]
            assert row[name] == pytest.approx(sum(ran) / len(ran), rel=1e-12)


def test_a_phase_that_did_not_run_is_left_out_and_its_last_value_kept() -> None:
    trainer = Trainer(Duel(), Rows(), settings(steps=3))
    taken = []
    for _ in trainer.rounds():
        taken.append(trainer.means.take())
    assert ["body/loss" in row for row in taken] == [True, False, False]
    assert trainer.last["body/loss"] == taken[0]["body/loss"]
    assert trainer.last["critic/loss"] == taken[2]["critic/loss"]


@pytest.mark.parametrize("stop", [4, 7, 12])
def test_the_log_of_a_resumed_run_is_that_of_a_whole_one(stop: int, tmp_path: Path) -> None:
    gentk.train(sparse(), out=tmp_path / "whole")
    gentk.train(sparse(), out=tmp_path / "parts", max_steps=stop)
    torch.manual_seed(5)
    gentk.train(sparse(), out=tmp_path / "parts", resume=True)
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")


def test_means_count_each_value_by_itself() -> None:
    means = Means()
    for logs in ({"a": 1.0, "b": 4.0}, {"a": 2.0}, {"a": 6.0}):
        means.add(logs)
    again = Means()
    again.restore(means.state())
    assert means.take() == again.take() == {"a": 3.0, "b": 4.0}
    assert means.take() == {}


def test_the_run_says_how_it_computes_and_what_it_took(tmp_path: Path) -> None:
    import json

    gentk.train(sparse(precision="bfloat16"), out=tmp_path / "run")
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert told == {"precision": "bfloat16", "device": "cpu", "threads": torch.get_num_threads()}
    assert all(row["peak_memory_mb"] > 1 for row in Run(tmp_path / "run").log())


def test_the_time_left_counts_neither_start_up_nor_pauses() -> None:
    pace = Pace()
    now = 100.0
    pace.tick(now)  # a first round after a long start-up
    assert pace.left(10) is None
    for k in range(20):
        now += 2.0 if k != 10 else 500.0  # a preview
        pace.tick(now)
    assert pace.left(10) == pytest.approx(20.0)
    assert pace.per_second == pytest.approx(0.5)
