"""Ranks and how sure they are, in cases whose answer is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gentk.evaluation.ranking import Entrant, ranked, ratio
from gentk.protocols import Score

HALVES = np.random.default_rng(5).normal(size=(10, 3))


def of(value: float, error: float | None = None, **more: Any) -> Score:
    return Score(name="gap", value=value, error=error, **more)


def entrants(values: list[float], halves: Any = None, **more: Any) -> dict[str, Entrant]:
    return {f"m{i}": Entrant(of(value, **more), () if halves is None else [float(v) for v in halves[:, i]])
            for i, value in enumerate(values)}  # fmt: skip


def test_what_all_models_share_in_a_half_makes_no_rank_unsure() -> None:
    """The values jump by 1 from half to half, all together: each by itself is unsure, and which is better never is."""
    shared = HALVES[:, :1] + np.array([0.0, 0.1])
    found = ranked(entrants([0.0, 0.1], shared))
    assert [(rank.place, rank.low, rank.high, rank.share) for rank in found.values()] == [(1, 1, 1, 1.0), (2, 2, 2, 1.0)]
    alone = ranked(entrants([0.0, 0.1], HALVES[:, :2]))
    assert alone["m0"].high == 2 and alone["m0"].share is not None and alone["m0"].share < 1
    assert {rank.by for rank in (*found.values(), *alone.values())} == {"halves"}


def test_the_share_counts_the_halves() -> None:
    """Of ten halves two turn the order around."""
    moved = np.zeros((10, 2))
    moved[:2] = [3.0, -3.0]
    moved -= moved.mean(0)
    found = ranked(entrants([1.0, 2.0], moved))
    assert found["m0"].share == found["m1"].share == pytest.approx(0.8) and found["m0"].draws == 10
    assert (found["m0"].low, found["m0"].high) == (1, 2)


def test_what_half_the_rows_add_to_one_model_changes_no_rank() -> None:
    """A biased estimate is larger on half of the rows, and more so for one model than for the other."""
    biased = 0.01 * HALVES[:, :2] + np.array([50.0, 0.0])
    found = ranked(entrants([1.0, 2.0], biased))
    assert [rank.place for rank in found.values()] == [1, 2] and found["m0"].share == 1.0


def test_a_half_that_failed_for_one_counts_for_none() -> None:
    broken = np.zeros((10, 2))
    broken[0] = [9.0, math.nan]
    assert ranked(entrants([1.0, 2.0], broken))["m0"] == (1, 1, 1, 1.0, 9, "halves")
    broken[1:] = math.nan
    assert ranked(entrants([1.0, 2.0], broken))["m0"].by == "", "one half alone says nothing"


@pytest.mark.parametrize(("better", "order"), [("lower", [1, 2, 3]), ("higher", [3, 2, 1]), ("floor", [2, 1, 3])])
def test_the_direction_is_the_scores_own(better: str, order: list[int]) -> None:
    found = ranked(entrants([1.0, 2.0, 4.0], better=better, floor=2.25))
    assert [rank.place for rank in found.values()] == order


def test_equal_values_share_a_rank() -> None:
    found = ranked(entrants([1.0, 1.0, 2.0], np.zeros((10, 3))))
    assert [(rank.place, rank.low, rank.high) for rank in found.values()] == [(1, 1, 1), (1, 1, 1), (3, 3, 3)]


def test_own_errors_are_drawn_as_gaussians() -> None:
    """P(first is better) = Φ(Δ/√(σ₁² + σ₂²)), within four standard errors of so many draws; the same each time."""
    pair = {"a": Entrant(of(1.0, 0.3)), "b": Entrant(of(1.5, 0.4))}
    found = ranked(pair)
    expected = 0.5 * (1 + math.erf(1.0 / math.sqrt(2)))  # Δ = 0.5, and so is the error of the difference
    rank = found["a"]
    assert rank.by == "error" and rank.share is not None
    assert abs(rank.share - expected) < 4 * math.sqrt(expected * (1 - expected) / rank.draws)
    assert ranked(pair) == found and (rank.low, rank.high) == (1, 2)


def test_without_any_error_ranks_are_only_places() -> None:
    found = ranked({"a": Entrant(of(1.0)), "b": Entrant(of(2.0, 0.1))})
    assert found == {"a": (1, 1, 1, None, 0, ""), "b": (2, 2, 2, None, 0, "")}


def test_there_is_no_rank_among_one_nor_near_a_floor_that_nobody_measured() -> None:
    assert ranked({"a": Entrant(of(1.0))}) == {}
    assert ranked(entrants([1.0, 2.0], better="floor")) == {}


def test_a_multiple_of_a_floor_that_is_noise_is_not_given() -> None:
    assert ratio(of(3.0, 0.1, floor=1.5), [0.1, None]) == 2.0
    assert ratio(of(3.0, 0.1, floor=1.5), [0.8, 1.0]) is None, "the floor is less than two errors above 0"
    assert ratio(of(3.0, floor=-0.1), []) is None and ratio(of(-3.0, floor=1.0), []) is None and ratio(of(3.0), []) is None
    assert ratio(of(0.0, 0.0, floor=0.9), [0.0, 0.02]) == 0.0, "a model that makes one and the same sample has an error of 0"
