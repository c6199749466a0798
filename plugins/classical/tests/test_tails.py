"""Tails of a tree's outer bins: integrals, distribution functions and masses against what the density says."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import simpson
from torch import Tensor

import gentk
from gentk.columns import resolution
from gentk.inference.likelihood import log_prob
from gentk.protocols import Column, DataSpec, Leaf
from gentk.weights.folder import read, save
from gentk_classical import cuts
from gentk_classical.bayes_net import BayesNet
from plugins.classical.tests.test_bayes_net_tables import learned
from plugins.classical.tests.test_mixed import Table

FLAG = Column(name="flag", kind="category", names=("no", "yes"))
WHOLE = (
    Column(name="x", kind="integer"),
    Column(name="x", kind="date", format="%Y-%m-%d"),
    Column(name="x", kind="date", format="%Y-%m-%d %H:%M:%S"),
)


class Flagged(Table):
    """A flag, and a column that leans on it."""

    def __init__(self, x: Tensor, flag: Tensor, column: Column = Column(name="x")) -> None:
        self.x, self.label = torch.stack([flag.double(), x.double()], 1), torch.zeros(len(x), dtype=torch.int64)
        self.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(2,), double=True, columns=(FLAG, column))})


def shifted(n: int = 4000, column: Column = Column(name="x"), seed: int = 0, steps: float = 20) -> Flagged:
    """Normal numbers whose mean the flag moves; whole ones have deviations of so many steps."""
    rng = np.random.default_rng(seed)
    flag = rng.integers(0, 2, n)
    x = torch.from_numpy(rng.normal(2.0 * flag, 1.0))
    step = resolution(column)
    return Flagged(((20_000 / step + steps * x).round() * step) if step else x, torch.from_numpy(flag), column)


def density(model: BayesNet, x: Tensor, flag: int) -> Tensor:
    """p(x | flag), (n,)."""
    rows = torch.stack([torch.full_like(x, flag), x], 1)
    alone = torch.stack([rows[:, 0], torch.full_like(x, math.nan)], 1)
    return (log_prob(model, {"x": rows}) - log_prob(model, {"x": alone})).exp()


def pieces(model: BayesNet) -> list[Tensor]:
    """Points of the bins (2001,) each, of the tails 40 of their scales, just within the edges."""
    edges = model.edges(1).clone()
    edges[0], edges[-1] = edges[1] - 20 * (edges[1] - edges[0]), edges[-2] + 20 * (edges[-1] - edges[-2])
    return [torch.linspace(a + 1e-12, b - 1e-12, 2001, dtype=torch.float64) for a, b in pairwise(edges.tolist())]


# ---- numbers
def test_given_each_state_of_the_parent_the_density_integrates_to_one() -> None:
    model = learned(shifted())
    assert model.families[1] == [0, 1]
    for flag in (0, 1):
        total = sum(float(simpson(density(model, x, flag).numpy(), x=x.numpy())) for x in pieces(model))
        assert total == pytest.approx(1, abs=1e-6)


def test_a_number_far_outside_is_finite_and_falls_with_the_distance() -> None:
    model = learned(shifted())
    for way in (-1, 1):
        far = way * torch.tensor([6.0, 8, 20, 1e3, 1e6], dtype=torch.float64)
        found = log_prob(model, {"x": torch.stack([torch.zeros(5), far], 1)})
        assert bool(found.isfinite().all()) and bool((found.diff() < 0).all())
        slopes = found.diff() / far.diff().abs()
        assert torch.allclose(slopes, slopes[0].expand(4), rtol=1e-9)  # exponential
        assert float(log_prob(model, {"x": torch.tensor([[math.nan, far[0]]])})) > -100


def test_drawn_numbers_follow_the_distribution_function_of_the_density() -> None:
    model = learned(shifted())
    grid = torch.cat(pieces(model))
    drawn = gentk.sample(model, 20_000, seed=3, batch_size=20_000)["x"]
    filled = gentk.sample(model, 20_000, seed=4, batch_size=20_000, cond={"known": {"flag": "yes"}})["x"]
    for flag, x in ((0, drawn[drawn[:, 0] == 0, 1]), (1, drawn[drawn[:, 0] == 1, 1]), (1, filled[:, 1])):
        p = density(model, grid, flag)
        law = torch.cat([torch.zeros(1, dtype=torch.float64), torch.cumulative_trapezoid(p, grid)]).numpy()
        assert stats.kstest(x.numpy(), lambda at, law=law: np.interp(at, grid.numpy(), law)).pvalue > 0.01
        assert bool((x < model.edges(1)[0]).any()) and bool((x > model.edges(1)[8]).any())


def test_the_scale_is_the_likeliest_one() -> None:
    for column in (Column(name="x"), *WHOLE):
        data = shifted(column=column)
        model = learned(data)
        edges, best = model.edges(1), float(log_prob(model, {"x": data.x}).mean())
        for at, beside in ((0, 1), (8, 7)):
            before = float(edges[at])
            for factor in (0.98, 1.02):
                edges[at] = edges[beside] + (before - edges[beside]) * factor
                assert float(log_prob(model, {"x": data.x}).mean()) < best
            edges[at] = before


def test_held_out_numbers_are_likelier_than_under_a_uniform_law_of_the_range() -> None:
    rng = np.random.default_rng(2)
    both = torch.from_numpy(rng.normal(size=(2000, 2)) @ np.array([[1, 0.8], [0, 0.6]]))
    data, held = Table(0, missing=0), both[1000:]
    data.x, data.label = both[:1000], torch.zeros(1000, dtype=torch.int64)
    data.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(2,), double=True, columns=(Column(name="a"), Column(name="b")))})
    least, most = data.x.amin(0), data.x.amax(0)
    assert bool(((held < least) | (held > most)).any())
    found = log_prob(learned(data), {"x": held})
    assert bool(found.isfinite().all()) and float(found.mean()) > -float((most - least).log().sum()) + 0.5


# ---- whole numbers and dates
@pytest.mark.parametrize("steps", (2, 20))
@pytest.mark.parametrize("column", WHOLE, ids=("integer", "day", "second"))
def test_masses_of_whole_numbers_sum_to_one_and_draws_have_them(column: Column, steps: float) -> None:
    model, step = learned(shifted(column=column, steps=steps)), resolution(column)
    assert len(cuts.tails(model.edges(1), step)) == 2
    places = torch.arange(-1500, 1500, dtype=torch.float64)
    x = (20_000 / step + places).round() * step
    for flag in (0, 1):
        mass = density(model, x, flag) * step
        assert float(mass.sum()) == pytest.approx(1, abs=1e-9 if step == 1 else 1e-7)  # seconds in days are rounded
    drawn = gentk.sample(model, 20_000, seed=5, batch_size=20_000, cond={"known": {"flag": "yes"}})["x"][:, 1]
    k = drawn / step - round(20_000 / step)
    assert float((k - k.round()).abs().max()) < 1e-3
    counts = torch.bincount((k.round() + 1500).long(), minlength=3000).double()
    often = mass * 20_000 >= 5
    seen, wanted = [torch.cat([part[often], part[~often].sum()[None]]).numpy() for part in (counts, mass * 20_000)]
    assert stats.chisquare(seen, wanted, sum_check=False).pvalue > 0.01


# ---- ends without a tail
def test_a_value_that_comes_often_at_the_end_is_a_bound() -> None:
    """Half of it zero: nothing is below, and above there is a tail."""
    rng = np.random.default_rng(0)
    flag = torch.from_numpy(rng.integers(0, 2, 2000))
    x = torch.from_numpy(np.maximum(0, rng.normal(size=2000)))
    for column, values in ((Column(name="x"), x), (Column(name="x", kind="integer"), (3 * x).round())):
        model = learned(Flagged(values, flag, column))
        found = log_prob(model, {"x": torch.tensor([[0.0, -1.0], [0, 0], [0, 40]])})
        assert found[0] == -math.inf and bool(found[1:].isfinite().all())
        drawn = gentk.sample(model, 2000)["x"][:, 1]
        assert drawn.min() == 0 and float((drawn == 0).double().mean()) == pytest.approx(float((values == 0).double().mean()), abs=0.05)


@pytest.mark.parametrize("column", (Column(name="x"), *WHOLE), ids=("number", "integer", "day", "second"))
def test_a_column_of_one_value_has_one_bin_and_is_that_value(column: Column) -> None:
    """Seven, or seven seconds past a day far from the origin."""
    step = resolution(column) or 1.0
    value = round(20_000 / step + 7) * step
    for near in range(50):
        edges = cuts.cut(torch.full((50,), value + near * step, dtype=torch.float64), 8, column)
        assert int(cuts.used(edges).sum()) == 1 and cuts.tails(edges, resolution(column)) == []
        ends = torch.tensor([value + near * step, value + (near + 1) * step], dtype=torch.float64)
        both = cuts.cut(ends.repeat_interleave(9), 4, column)  # nor has a column of two whole numbers a tail
        assert cuts.tails(both, resolution(column)) == []
    model = learned(Flagged(torch.full((50,), value, dtype=torch.float64), torch.arange(50) % 2, column))
    assert float(density(model, torch.tensor([value], dtype=torch.float64), 0)) * (resolution(column) or 1) == pytest.approx(1, abs=1e-6)
    assert density(model, torch.tensor([value + 2 * step, value - 2 * step], dtype=torch.float64), 0).tolist() == [0, 0]
    drawn = gentk.sample(model, 20)["x"][:, 1]
    assert float((drawn - value).abs().max()) < 1e-3 * step


def test_every_column_of_two_values_or_more_has_more_than_one_bin() -> None:
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = torch.from_numpy(rng.integers(0, rng.integers(2, 9), rng.integers(2, 30)).astype(float))
        if x.min() < x.max():
            for column in (Column(name="x"), Column(name="x", kind="integer")):
                edges = cuts.cut(x, int(rng.integers(2, 10)), column)
                assert int(cuts.used(edges).sum()) > 1 and bool((edges.diff() >= 0).all())
                assert bool(cuts.log_volume(edges, x, cuts.state(edges, x), resolution(column)).isfinite().all())


def test_numbers_that_an_edge_cannot_tell_apart_keep_their_bin() -> None:
    """One number a bit above very many equal ones, within the last bin: their mean distance rounds to nothing."""
    x = torch.tensor([*range(18), *[1e8] * 6, 1e8 + 2**-26], dtype=torch.float64)
    edges = cuts.cut(x, 4, Column(name="x"))
    found = cuts.log_volume(edges, x, cuts.state(edges, x), 0.0)
    assert bool(found.isfinite().all()) and cuts.tails(edges, 0.0)[-1].way == 1


def test_a_single_bin_given_by_hand_has_no_tail() -> None:
    edges, x = torch.tensor([0.0, 5.0, cuts.BEYOND], dtype=torch.float64), torch.tensor([-0.1, 1.0, 5.1], dtype=torch.float64)
    for step in (0.0, 1.0):
        assert cuts.log_volume(edges, x, cuts.state(edges, x), step).exp().tolist() == pytest.approx([math.inf, 5, math.inf])


# ---- weights
def test_edges_of_weights_from_before_there_were_tails_are_the_tails_of_the_same_mean(tmp_path: Path) -> None:
    data = shifted()
    model = learned(data)
    model.edges(1)[0], model.edges(1)[8] = data.x[:, 1].min(), data.x[:, 1].max()  # what they were
    save(model, tmp_path)
    again = read(tmp_path)
    assert isinstance(again, BayesNet)
    total = sum(float(simpson(density(again, x, 0).numpy(), x=x.numpy())) for x in pieces(again))
    assert total == pytest.approx(1, abs=1e-6)
    edges = again.edges(1)
    drawn = cuts.within(edges, torch.full((20_000,), 7), torch.rand(20_000, generator=torch.Generator().manual_seed(0)).double(), 0.0)
    assert float(drawn.mean()) == pytest.approx(float(edges[7] + edges[8]) / 2, rel=0.02)


def test_bins_are_called_by_what_is_in_them() -> None:
    model = learned(shifted())
    called = model.facts()["variables"]["x"]["states"]
    assert called[0] == f"below {float(model.edges(1)[1]):g}" and called[7] == f"from {float(model.edges(1)[7]):g}"
    assert " to " in called[1] and torch.equal(model.query("flag", {"x": called[0]}), model.query("flag", {"x": 0}))
