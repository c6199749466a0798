"""Bins of equal counts: against counts, and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gentk.protocols import Column
from gentk_classical import cuts


def test_bins_hold_as_many_rows_each_and_numbers_come_back_into_theirs() -> None:
    x = torch.from_numpy(np.random.default_rng(0).gamma(1.0, 3.0, 4001))
    edges = cuts.cut(x, 8, Column(name="x"))
    states = cuts.state(edges, x)
    assert torch.bincount(states).tolist() == pytest.approx([4001 / 8] * 8, abs=1.01)
    assert float(edges[1] - edges[0]) == pytest.approx(2 * float((edges[1] - x[states == 0]).mean()))
    assert float(edges[8] - edges[7]) == pytest.approx(2 * float((x[states == 7] - edges[7]).mean()))
    back = cuts.within(edges, states, torch.rand(4001, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), 0.0)
    assert torch.equal(cuts.state(edges, back), states)
    assert cuts.state(edges, torch.tensor([-1.0, 1e9, math.nan])).tolist() == [0, 7, -1]


def test_a_value_that_comes_often_has_a_bin_of_its_own() -> None:
    x = torch.tensor([0.0] * 50 + [1.0] * 10 + [2.0, 3.0, 4.0, 5.0] * 10)
    edges = cuts.cut(x.double(), 8, Column(name="x"))
    states = cuts.state(edges, x.double())
    own = int(states[0])
    assert bool((states[:50] == own).all()) and not bool((states[50:] == own).any()) and float(edges[own]) == float(edges[own + 1]) == 0
    constant = cuts.cut(torch.full((9,), 7.5, dtype=torch.float64), 4, Column(name="x"))
    assert constant[:2].tolist() == [7.5, 7.5] and cuts.used(constant).tolist() == [True, False, False, False]
    assert set(cuts.state(constant, x.double()).tolist()) == {0}
    assert cuts.log_volume(constant, torch.tensor([7.5, 7.6, math.nan]), torch.tensor([0, 0, -1]), 0.0).tolist() == [0, math.inf, 0]


def test_whole_numbers_are_cut_between_two_of_them() -> None:
    x = torch.from_numpy(np.random.default_rng(0).poisson(2.0, 3000).astype(float))
    edges = cuts.cut(x, 6, Column(name="x", kind="integer"))
    finite = edges[edges < cuts.BEYOND]
    assert bool((finite[:-1] % 1 == 0.5).all()) and bool((finite.diff() >= 1).all())  # 0 is alone, and the last edge that of the tail
    states = cuts.state(edges, x)
    inner = states < len(finite) - 2
    assert bool((edges[states] < x).all()) and bool((x < edges[states + 1])[inner].all()) and not inner.all()
