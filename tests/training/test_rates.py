"""The learning rate over a run."""

from __future__ import annotations

import itertools

import pytest

from gentk.recipes import TrainingPart
from gentk.training.rates import share


def rates(schedule: str, steps: int = 100, **more: float) -> list[float]:
    settings = TrainingPart.model_validate({"steps": steps, "lr_schedule": schedule, "warmup": 0.0, **more})
    return [share(k, settings) for k in range(steps)]


def test_the_values_of_each_schedule() -> None:
    assert rates("constant") == [1.0] * 100
    linear, cosine, flat = rates("linear"), rates("cosine"), rates("flat-linear", flat=0.4)
    assert linear == pytest.approx([1 - k / 100 for k in range(100)])
    assert (cosine[0], cosine[50]) == pytest.approx((1.0, 0.5))
    assert cosine[25] == pytest.approx((2 + 2**0.5) / 4)
    assert flat[:41] == pytest.approx([1.0] * 41)
    assert flat[70] == pytest.approx(0.5)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "flat-linear"])
def test_a_rate_falls_to_zero_and_never_rises(schedule: str) -> None:
    found = rates(schedule)
    assert all(a >= b for a, b in itertools.pairwise(found))
    assert 0 < found[-1] < 0.02


def test_the_warm_up_rises_in_a_straight_line_and_the_first_round_counts() -> None:
    found = rates("constant", warmup=0.1)
    assert found[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert found[10:] == [1.0] * 90
