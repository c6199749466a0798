"""Learned trees against all trees, sums over gaps against the joint law written out, bins against counts."""

from __future__ import annotations

import itertools
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.metrics import mutual_info_score
from torch import Tensor

import gentk
from gentk.cli import run
from gentk.errors import UsageError
from gentk.inference.likelihood import log_prob
from gentk.noise import Philox
from gentk.protocols import Column, DataSpec, Leaf
from gentk.weights.folder import read, save
from gentk_classical import trees
from gentk_classical.bayes_net import BayesNet
from gentk_classical.config import BayesNetConfig
from plugins.classical.tests.test_bayes_net import drawn_tables, every_state, joint
from plugins.classical.tests.test_mixed import Table, fit

BOUND = 4.5  # standard errors
SIZES = (2, 3, 2, 4, 3)


def coupled(n: int = 600, seed: int = 0, sizes: tuple[int, ...] = SIZES) -> Tensor:
    """Rows (n, V) of states, each column leaning on one before it and on chance."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, len(sizes)), int)
    for v, size in enumerate(sizes):
        from_before = x[:, rng.integers(0, v)] % size if v else rng.integers(0, size, n)
        x[:, v] = np.where(rng.random(n) < rng.uniform(0.2, 0.7), from_before, rng.integers(0, size, n))
    return torch.from_numpy(x)


class States(Table):
    """Categories, of which cells may be missing."""

    def __init__(self, x: Tensor, sizes: tuple[int, ...] = SIZES, missing: bool = False) -> None:
        self.x, self.label = x.double(), torch.zeros(len(x), dtype=torch.int64)
        columns = tuple(
            Column(name="abcdefgh"[v], kind="category", names=tuple(map(str, range(size))), missing=missing) for v, size in enumerate(sizes)
        )
        self.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(len(sizes),), double=True, columns=columns)})


def learned(data: Table, **config: Any) -> BayesNet:
    settings = {"tolerance": config.pop("tolerance")} if "tolerance" in config else {}
    model: BayesNet = fit(BayesNet(BayesNetConfig.model_validate(config), data.spec), data, **settings)
    return model


def all_trees(count: int) -> list[list[int]]:
    """The parents, away from 0, of every labelled tree, by Prüfer's codes."""
    found = []
    for code in itertools.product(range(count), repeat=count - 2):
        degree = [1 + code.count(v) for v in range(count)]
        beside: list[list[int]] = [[] for _ in range(count)]
        for v in code:
            leaf = degree.index(1)
            beside[leaf].append(v)
            beside[v].append(leaf)
            degree[leaf] -= 1
            degree[v] -= 1
        a, b = [v for v in range(count) if degree[v] == 1]
        beside[a].append(b)
        beside[b].append(a)
        parent, todo = [-1] * count, [0]
        while todo:
            v = todo.pop()
            for u in beside[v]:
                if u != parent[v]:
                    parent[u] = v
                    todo.append(u)
        found.append(parent)
    return found


# ---- structure
def test_no_tree_is_likelier_than_the_learned_one() -> None:
    """All 125 trees of five variables, each fitted by counting."""
    trees_of_five = all_trees(5)
    assert len({tuple(parent) for parent in trees_of_five}) == 125
    for seed in range(3):
        data = States(coupled(seed=seed))
        model = learned(data, smoothing=0)
        told = []
        for parent in trees_of_five:
            parents = {"abcde"[v]: ["abcde"[p]] for v, p in enumerate(parent) if p >= 0}
            about = {"variables": list("abcde"), "states": list(SIZES), "parents": parents}
            told.append(float(log_prob(learned(data, smoothing=0, **about), {"x": data.x}).mean()))
        ours = float(log_prob(model, {"x": data.x}).mean())
        assert ours == pytest.approx(max(told), abs=1e-10) and sum(value > ours - 1e-6 for value in told) == 1
        assert model.parent.tolist() == trees_of_five[int(np.argmax(told))]


def test_information_is_scikit_learns_and_the_tree_scipys() -> None:
    x = coupled(3000, sizes=(2, 3, 2, 4, 3, 5, 2, 3))
    sizes = (2, 3, 2, 4, 3, 5, 2, 3)
    found = trees.mutual_information(trees.pair_counts(x, sizes), sizes)
    theirs = np.array([[mutual_info_score(x[:, i], x[:, j]) for j in range(8)] for i in range(8)])
    assert np.abs(found.numpy() - theirs).max() <= 1e-12
    parent = trees.spanning_tree(found)
    edges = {frozenset(edge) for edge in zip(*minimum_spanning_tree(-np.triu(theirs, 1)).nonzero(), strict=True)}
    assert parent[0] == -1 and {frozenset((v, p)) for v, p in enumerate(parent) if p >= 0} == edges


def test_information_of_a_pair_is_of_the_rows_that_have_both() -> None:
    x = coupled(2000)
    x[torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.3] = -1
    found = trees.mutual_information(trees.pair_counts(x, SIZES), SIZES)
    for i, j in itertools.combinations(range(5), 2):
        both = (x[:, i] >= 0) & (x[:, j] >= 0)
        assert float(found[i, j]) == pytest.approx(mutual_info_score(x[both, i], x[both, j]), abs=1e-12)


def test_ties_go_to_the_first_columns_whatever_the_order_of_rows() -> None:
    """Copies of one column tell as much of each other: a star about the first."""
    one = coupled(500)[:, 1]
    x = torch.stack([one, 2 - one, one, (one + 1) % 3, one], 1)
    for order in (torch.arange(500), torch.randperm(500, generator=torch.Generator().manual_seed(0))):
        model = learned(States(x[order], (3,) * 5))
        assert model.parent.tolist() == [-1, 0, 0, 0, 0]
    even = torch.ones(6, 6, dtype=torch.float64)
    noise = 1e-13 * torch.rand(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert trees.spanning_tree(even + noise + noise.mT) == [-1, 0, 0, 0, 0, 0]  # nor does rounding choose
    ring = torch.tensor([[0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]], dtype=torch.float64)
    assert trees.spanning_tree(ring) == [-1, 0, 0, 1]


def test_no_parents_is_a_tree_and_an_empty_table_of_parents_is_none() -> None:
    data = States(coupled())
    assert learned(data).facts()["variables"]["b"]["given"] == ["a"]
    alone = {"variables": list("abcde"), "states": list(SIZES), "parents": {}}
    assert learned(data, **alone).facts()["variables"]["b"]["given"] == []


# ---- sums over gaps
def with_gaps(n: int = 40, seed: int = 1, share: float = 0.4) -> tuple[BayesNet, Tensor]:
    """A learned tree and rows with gaps."""
    model = learned(States(coupled(seed=seed), missing=True))
    x = coupled(n, seed=seed + 10).double()
    return model, x.masked_fill(torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < share, math.nan)


def matching(model: BayesNet, whole: np.ndarray[Any, Any], row: Tensor) -> np.ndarray[Any, Any]:
    """The joint law with 0 where it contradicts the row."""
    p = whole.copy()
    for v, state in enumerate(row.tolist()):
        if not math.isnan(state):
            keep = np.zeros(model.sizes[v])
            keep[int(state)] = 1
            p *= keep.reshape([-1 if i == v else 1 for i in range(len(model.sizes))])
    return p


def test_the_density_and_the_expected_counts_of_rows_with_gaps_are_sums_over_the_joint() -> None:
    model, x = with_gaps()
    laws = [matching(model, whole, row) for whole in [joint(model)] for row in x]
    assert np.allclose(log_prob(model, {"x": x}).exp().numpy(), [p.sum() for p in laws], rtol=1e-12)
    told = model.statistics({"x": x})
    for v, family in enumerate(model.families):
        wanted = sum(np.einsum(p, range(5), family) / p.sum() for p in laws)
        assert np.allclose(told[f"counts{v}"].numpy(), wanted, rtol=0, atol=1e-10)


def test_of_whole_rows_the_sums_are_counts() -> None:
    x = coupled(400)
    with_em, counted = learned(States(x, missing=True), passes=1), learned(States(x))
    assert with_em.parent.tolist() == counted.parent.tolist()
    assert torch.allclose(with_em.tables, counted.tables, rtol=0, atol=1e-12)


def test_em_never_loses_likelihood_and_ends_where_it_is_greatest() -> None:
    x = coupled(300).double()
    x[torch.rand(x.shape, generator=torch.Generator().manual_seed(3)) < 0.3] = math.nan
    model = learned(States(x, missing=True), smoothing=0, passes=300, tolerance=0)
    told = [log["log_likelihood"] for log in model.logged]
    assert all(b >= a - 1e-10 for a, b in pairwise(told)) and told[-1] > told[0] + 1e-4
    alike = [math.log(size) for size in SIZES]
    assert told[0] > -float((~x.isnan()).double().mean(0) @ torch.tensor(alike, dtype=torch.float64)) + 0.1  # it begins with the pairs
    best = float(log_prob(model, {"x": x}).mean())
    assert best == pytest.approx(told[-1], abs=1e-7)
    for v in range(5):
        table = model.table(v)
        before = table.clone()
        table.copy_(before * torch.exp(0.05 * torch.randn(before.shape, generator=torch.Generator().manual_seed(v))))
        table /= table.sum(-1, keepdim=True)
        assert float(log_prob(model, {"x": x}).mean()) < best
        table.copy_(before)


def test_em_undoes_what_hangs_on_a_known_column_and_available_rows_would_not() -> None:
    """b is told where a is 1, seldom where it is 0: its share over the rows that have it is 0.2 off."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 2, 20_000)
    b = np.where(rng.random(20_000) < 0.8, a, 1 - a)
    x = torch.from_numpy(np.stack([a, b], 1).astype(float))
    x[(rng.random(20_000) < 0.8) & (a == 0), 1] = math.nan
    model = learned(States(x, (2, 2), missing=True))
    available = float(x[~x[:, 1].isnan(), 1].mean())
    assert available > 0.68 and float(model.query("b")[1]) == pytest.approx(0.5, abs=0.02)


def test_a_long_tree_and_a_wide_one_do_not_underflow() -> None:
    """300 contradicting variables: a chain of copies, and as many children of one variable, against a sum of logs."""
    n = 300
    names = [f"v{i}" for i in range(n)]
    for chain in (True, False):
        parents = {f"v{i}": [f"v{i - 1 if chain else 0}"] for i in range(1, n)}
        model = BayesNet(
            BayesNetConfig.model_validate({"variables": names, "states": [2] * n, "parents": parents}),
            DataSpec(modality="table", leaves={"x": Leaf(shape=(n,), classes=2)}),
        )
        for v in range(1, n):
            model.table(v).copy_(torch.tensor([[1 - 1e-4, 1e-4], [1e-4, 1 - 1e-4]]))
        row = torch.tensor([[i % 2 for i in range(n)]])
        row[0, 0] = -1
        assert model.tree is not None
        log = trees.upward(model.tree, model._rows(), row).log
        each = [model.log_prob({"x": torch.cat([torch.tensor([[s]]), row[:, 1:]], 1)}, Philox(0, [0])) for s in (0, 1)]
        assert float(log) == pytest.approx(float(torch.stack(each).logsumexp(0)), rel=1e-12)


# ---- draws given some
def test_what_is_missing_is_drawn_from_its_exact_law() -> None:
    x, n = coupled(), 20_000
    backwards = torch.stack([x[:, 0], x[:, 1], x[:, 1], x[:, 3], x[:, 4]], 1)
    backwards[::7, 1], backwards[::3, 4], backwards[1::3, 4] = 0, x[::3, 0], x[1::3, 0]
    backwards[::2, 2] = backwards[::2, 4]
    model = learned(States(backwards, (2, 3, 3, 4, 3)))
    assert any(p > v for v, p in enumerate(model.parent.tolist()))  # against the order of the columns
    for row in (torch.tensor([math.nan, 1, math.nan, 2, math.nan]), torch.tensor([math.nan] * 5), torch.tensor([1.0, 2, 1, 3, 1])):
        x = row.double().expand(n, 5)
        filled = gentk.impute(model, {"x": x}, ~x.isnan(), batch_size=n)
        p = matching(model, joint(model), row)
        p /= p.sum()
        counts, _ = np.histogramdd(filled.numpy(), bins=[np.arange(size + 1) - 0.5 for size in model.sizes])
        large = p * n >= 5
        pairs = [np.append(part[large], part[~large].sum()) for part in (counts, p * n)]
        assert (counts[p == 0] == 0).all()
        if large.sum() > 1:
            assert stats.chisquare(pairs[0][pairs[1] > 0], pairs[1][pairs[1] > 0], sum_check=False).pvalue > 1e-4


def test_trees_and_other_graphs_draw_by_the_same_law() -> None:
    """The elimination of a graph with two parents, and the walk of a tree, both where the net is a tree."""
    model = learned(States(coupled()))
    x = coupled(4000, seed=5).double()
    known = torch.rand(4000, 5, generator=torch.Generator().manual_seed(0)) < 0.5
    walked = model.impute({"x": x}, known, Philox(0, range(4000)))
    other = model._eliminated(model.codes(x).clone(), known, Philox(1, range(4000))).double()
    assert torch.equal(walked[known], x[known])
    for v in range(5):
        free = ~known[:, v]
        table = torch.stack([torch.bincount(drawn[free, v].long(), minlength=SIZES[v]) for drawn in (walked, other)])
        assert stats.chi2_contingency(table.numpy()).pvalue > 1e-4


def test_rows_are_their_own_and_a_file_of_known_ones_stays(tmp_path: Path) -> None:
    model, x = with_gaps()
    filled = gentk.impute(model, {"x": x}, ~x.isnan())
    assert torch.equal(filled, gentk.impute(model, {"x": x}, ~x.isnan(), batch_size=7)) and not filled.isnan().any()
    (tmp_path / "row.csv").write_text("d,a\n3,1\n,0\n")
    drawn = gentk.sample(model, 6, cond={"known": str(tmp_path / "row.csv")})["x"]
    assert drawn[:, 0].tolist() == [1, 0] * 3 and drawn[::2, 3].tolist() == [3] * 3
    save(model, tmp_path / "weights")
    again = read(tmp_path / "weights")
    assert torch.equal(log_prob(again, {"x": x}), log_prob(model, {"x": x})) and again.facts() == model.facts()


def test_a_table_from_a_file_is_trained_and_gone_on_with(tmp_path: Path) -> None:
    lines = [",".join(f"s{k}" if (i + v) % 9 else "" for v, k in enumerate(row)) for i, row in enumerate(coupled(200).tolist())]
    (tmp_path / "t.csv").write_text("a,b,c,d,e\n" + "\n".join(lines) + "\n")
    command = ["train", "--plugin", "classical", "--recipe", "bayes-net", "--dataset", f"table:{tmp_path / 't.csv'}"]
    assert run([*command, "--out", str(tmp_path / "run"), "--set", "training.steps=3"]) == 0
    assert run(["train", "--out", str(tmp_path / "run"), "--resume"]) == 0
    model = gentk.load(tmp_path / "run")
    assert max(model.parent.tolist()) >= 0  # type: ignore[union-attr, operator]
    assert run(["sample", "--weights", str(tmp_path / "run"), "-n", "20", "--out", str(tmp_path / "drawn.csv")]) == 0
    cells = [line.split(",") for line in (tmp_path / "drawn.csv").read_text().splitlines()[1:]]
    assert len(cells) == 20 and all(cell in {"s0", "s1", "s2", "s3"} for row in cells for cell in row)


# ---- bins
def test_the_density_of_numbers_integrates_to_one_and_is_the_share_over_the_width() -> None:
    data = Table(2000, missing=0)
    data.x = torch.stack([data.x[:, 0], (data.x[:, 0] > 1).double()], 1)
    columns = (Column(name="a"), Column(name="flag", kind="category", names=("no", "yes")))
    data.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(2,), double=True, columns=columns)})
    model = learned(data, bins=5, smoothing=0)
    grid = torch.linspace(-20, 25, 200_001, dtype=torch.float64)
    middle = (grid[1:] + grid[:-1]) / 2
    total = sum(log_prob(model, {"x": torch.stack([middle, torch.full_like(middle, s)], 1)}).exp().sum() for s in (0, 1))
    assert float(total * (grid[1] - grid[0])) == pytest.approx(1, abs=1e-3)
    edges = model.edges(0)
    at = (edges[2] + edges[3]) / 2
    found = float(log_prob(model, {"x": torch.tensor([[at, math.nan]])}).exp())
    share = ((data.x[:, 0] >= edges[2]) & (data.x[:, 0] < edges[3])).double().mean()
    assert found == pytest.approx(float(share / (edges[3] - edges[2])), rel=1e-9)
    assert model.logged[-1]["log_likelihood"] < float(log_prob(model, {"x": data.x}).mean())
    now = model.update(model.statistics({"x": data.x}))["log_likelihood"]
    assert now == pytest.approx(float(log_prob(model, {"x": data.x}).mean()), abs=1e-10)


def test_draws_of_a_table_have_its_laws_and_its_kinds_of_number() -> None:
    data = Table(4000, missing=0.2)
    age = Column(name="age", kind="integer", missing=True)
    columns = (*data.spec.leaves["x"].columns, age)
    data.x = torch.cat([data.x, (20 + 6 * data.x[:, :1]).round()], 1)
    data.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(5,), double=True, columns=columns)})
    model = learned(data, bins=12)
    x = gentk.sample(model, 4000, seed=1, batch_size=4000)["x"]
    assert not x.isnan().any() and bool((x[:, 4] == x[:, 4].round()).all()) and bool((x[:, 1] == x[:, 1].round()).all())
    for v in (0, 2, 4):
        real = data.x[:, v][~data.x[:, v].isnan()].numpy()
        assert stats.ks_2samp(x[:, v].numpy(), real).statistic < 0.06
        assert ((x[:, v] < real.min()) | (x[:, v] > real.max())).double().mean() < 0.02
    assert np.corrcoef(x[:, 0], x[:, 2])[0, 1] > 0.85
    given = gentk.sample(model, 2000, seed=2, cond={"known": {"a": 2.5}})["x"]
    near = data.x[((data.x[:, 0] - 2.5).abs() < 0.5) & ~data.x[:, 2].isnan(), 2]
    assert set(given[:, 0].tolist()) == {2.5}
    assert float(given[:, 2].mean()) == pytest.approx(float(near.mean()), abs=0.15 * float(data.x[:, 2].nan_to_num(1000).std()))


def test_bins_that_no_row_can_be_in_are_never_drawn(tmp_path: Path) -> None:
    """Two whole numbers in eight bins, and smoothing."""
    data = Table(300, missing=0)
    data.x = data.x[:, [3, 0]].round()
    columns = (Column(name="flag", kind="integer"), Column(name="a", kind="integer"))
    data.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(2,), double=True, columns=columns)})
    model = learned(data, smoothing=5)
    x = model.draw(2000, Philox(0, range(2000)), {})
    assert set(x[:, 0].tolist()) == {0.0, 1.0} and set(x[:, 1].tolist()) <= set(range(-6, 10))
    assert float(model.table(0).sum()) == pytest.approx(1) and int((model.table(0) > 0).sum()) == 2
    save(model, tmp_path / "weights")  # which hold finite numbers alone
    assert torch.equal(log_prob(read(tmp_path / "weights"), {"x": x}), log_prob(model, {"x": x}))


# ---- edges
def test_what_does_not_fit_is_said_in_one_line() -> None:
    data = States(coupled(), missing=True)
    names = {"variables": list("abcde"), "states": list(SIZES), "parents": {"c": ["a", "b"]}}
    with pytest.raises(UsageError, match="'a' is missing in some rows"):
        BayesNet(BayesNetConfig.model_validate(names), data.spec)
    data.x[:, 1] = math.nan
    whole = Table(50)
    whole.x[:, 2] = math.nan
    with pytest.raises(UsageError, match="'b' is missing in every row"):
        learned(whole)
    one = Leaf(shape=(1,), double=True, columns=(Column(name="one", kind="category", names=("x",)),))
    with pytest.raises(UsageError, match="'one' has a single state"):
        BayesNet(BayesNetConfig(), DataSpec(modality="table", leaves={"x": one}))
    states = Leaf(shape=(3,), classes=2000)
    with pytest.raises(UsageError, match=r"6,000 states.*give parents, or drop columns"):
        BayesNet(BayesNetConfig(), DataSpec(modality="table", leaves={"x": states}))
    many = tuple(Column(name=f"c{i}", kind="category", names=tuple(map(str, range(2 if i else 1000)))) for i in range(20))
    with pytest.raises(UsageError, match="20,000,000 entries"):
        BayesNet(BayesNetConfig(), DataSpec(modality="table", leaves={"x": Leaf(shape=(20,), double=True, columns=many)}))


def test_known_cells_that_cannot_be_together_are_said() -> None:
    model = learned(States(coupled()), smoothing=0)
    with torch.no_grad():
        model.table(1).copy_(torch.eye(2, 3, dtype=torch.float64))
    assert model.families[1] == [0, 1]
    known = torch.tensor([[True, True, False, False, False]]).expand(2, 5)
    with pytest.raises(UsageError, match="example 1 have probability zero"):
        model.impute({"x": torch.tensor([[1.0, 1, 0, 0, 0], [0, 1, 0, 0, 0]])}, known, Philox(0, range(2)))


def test_a_graph_with_two_parents_says_what_it_says_of_every_state() -> None:
    model = drawn_tables()
    assert model.tree is None and float(model.log_prob({"x": every_state(model)}, Philox(0, [0])).exp().sum()) == pytest.approx(1)
