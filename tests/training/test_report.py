"""What a person sees of a run, and the log behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gentk.plots.curves import loss, losses, smoothed
from gentk.runs import Run
from gentk.training.report import loss_picture

ROWS = [{"step": 1, "loss": 3.0, "grad": 9.0}, {"step": 2, "loss": 2.0, "validation/loss": 2.5}, {"step": 3, "loss": 1.0}]


def test_curves_are_the_losses_and_nothing_else() -> None:
    assert losses(ROWS) == {"loss": ([1, 2, 3], [3.0, 2.0, 1.0]), "validation": ([2], [2.5])}
    both = losses([{"step": 5, "critic/loss": 1.0, "body/loss": 2.0, "steps_per_second": 7.0}])
    assert both == {"critic/loss": ([5], [1.0]), "body/loss": ([5], [2.0])}
    phases = losses([{"step": 5, "critic/loss": 1.0, "validation/critic/loss": 2.0, "validation/loss": 3.0, "validation/kl_loss": 4.0}])
    assert phases.keys() == {"critic/loss", "validation/critic", "validation", "validation/kl_loss"}
    assert losses([{"step": 1, "log_likelihood": -4.0, "validation/log_likelihood": -5.0}]).keys() == {"log_likelihood", "validation"}


def test_smoothing_is_a_mean_of_the_neighbours_that_there_are() -> None:
    assert smoothed([0.0, 3.0, 6.0], 1) == [0.0, 3.0, 6.0]
    assert smoothed([0.0, 3.0, 9.0], 3) == pytest.approx([1.5, 4.0, 6.0])


def test_each_phase_has_a_curve_in_a_colour_of_its_own(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append({"step": 1, "critic/loss": 2.0, "validation/critic/loss": 3.0, "validation/body/loss": 1.0})
    run.append({"step": 2, "critic/loss": 1.0, "body/loss": 4.0})
    (axes,) = loss({"run": run}).axes
    lines = {str(line.get_label()): line for line in axes.lines if not str(line.get_label()).startswith("_")}
    told = {f"validation {phase} (averaged weights)": f"training {phase}/loss" for phase in ("critic", "body")}
    assert lines.keys() == {*told, *told.values()}
    for dots, curve in told.items():
        assert lines[dots].get_color() == lines[curve].get_color()
    assert len({str(line.get_color()) for line in lines.values()}) == 2


@pytest.mark.parametrize("rows", [[], ROWS[:1], ROWS])
def test_the_picture_is_made_whatever_the_log_holds(rows: list[dict[str, float]], tmp_path: Path) -> None:
    run = Run(tmp_path)
    for row in rows:
        run.append(row)
    assert loss_picture(run) == run.picture
    assert run.picture.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} <= {"loss.png", "log.jsonl"}


def test_a_cut_log_keeps_what_was_before_and_can_be_written_on(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for row in ROWS:
        run.append(row)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    run.cut_log(2)
    run.append({"step": 3, "loss": 0.5})
    assert run.log() == [*ROWS[:2], {"step": 3, "loss": 0.5}]
    run.cut_log(0)
    assert run.log() == []
