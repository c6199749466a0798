"""The learned tree against all trees there are, and against scipy's and scikit-learn's arithmetic."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.metrics import mutual_info_score
from torch import Tensor

import gentk
from gentk.cli import run
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.protocols import DataSpec, Leaf
from gentk_classical import chow_liu
from gentk_classical.bayes_net import BayesNet
from gentk_classical.config import BayesNetConfig

SIZES = (2, 3, 2, 4, 3)


def rows(n: int = 400, seed: int = 0) -> Tensor:
    """Rows of five variables, each of which hangs on one or two before it."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, len(SIZES)), np.int64)
    for v, size in enumerate(SIZES):
        x[:, v] = rng.integers(0, size, n)
        if v:
            near = rng.random(n) < (0.0, 0.5, 0.6, 0.4, 0.7)[v]
            x[:, v] = np.where(near, (x[:, v - 1] + x[:, max(0, v - 2)]) % size, x[:, v])
    return torch.from_numpy(x)


def net(parents: dict[str, tuple[str, ...]] | None = None, smoothing: float = 0.0) -> BayesNet:
    spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(len(SIZES),), classes=max(SIZES))})
    config = BayesNetConfig(variables=tuple("abcde"), states=SIZES, parents=parents, smoothing=smoothing)
    return BayesNet(config, spec)


def fitted(x: Tensor, parents: dict[str, tuple[str, ...]] | None = None, smoothing: float = 0.0) -> BayesNet:
    model = net(parents, smoothing)
    model.update(model.statistics({"x": x}))
    return model


def log_likelihood(model: BayesNet, x: Tensor) -> float:
    return float(model.log_prob({"x": x}, None).sum())  # type: ignore[arg-type]


def trees() -> list[dict[str, tuple[str, ...]]]:
    """All 125 of five variables, with a as the root: each other variable has a parent, and there is no circle."""
    found = []
    for chosen in itertools.product("abcde", repeat=4):
        parents = dict(zip("bcde", chosen, strict=True))
        ends = []
        for v in "bcde":
            for _ in range(5):
                v = parents.get(v, v)
            ends.append(v)
        if ends == ["a"] * 4:
            found.append({v: (u,) for v, u in parents.items()})
    return found


def test_no_tree_is_likelier() -> None:
    x = rows()
    learned = log_likelihood(fitted(x), x)
    every = [log_likelihood(fitted(x, parents), x) for parents in trees()]
    assert len(every) == 125 and learned == pytest.approx(max(every), abs=1e-9) and learned > sorted(every)[-2] + 1e-6


def test_it_is_scipys_tree_of_scikit_learns_informations() -> None:
    x = rows(seed=1)
    told = np.array([[mutual_info_score(x[:, u], x[:, v]) for v in range(5)] for u in range(5)])
    counts = chow_liu.blocks(chow_liu.pairs(x, SIZES), SIZES)
    assert np.allclose([[chow_liu.information(counts[u][v]) for v in range(5)] for u in range(5)], told, atol=1e-12)
    spanning = minimum_spanning_tree(np.triu(told.max() + 1 - told, 1)).toarray()
    wanted = {frozenset(map(int, edge)) for edge in zip(*spanning.nonzero(), strict=True)}
    assert {frozenset((v, u)) for v, u in enumerate(chow_liu.tree(counts)) if u >= 0} == wanted


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_its_tables_are_those_that_the_tree_counts_when_it_is_given(smoothing: float) -> None:
    x = rows()
    learned = fitted(x, smoothing=smoothing)
    assert learned.config.parents is not None
    given = fitted(x, learned.config.parents, smoothing)
    assert all(torch.allclose(learned.table(v), given.table(v), atol=1e-12) for v in range(5))


def test_a_constant_column_hangs_anywhere_and_ties_are_decided_by_place() -> None:
    x = torch.zeros(10, 5, dtype=torch.int64)
    assert chow_liu.tree(chow_liu.blocks(chow_liu.pairs(x, SIZES), SIZES)) == [-1, 0, 0, 0, 0]


def test_too_many_states_are_refused() -> None:
    spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(3,), classes=2000)})
    with pytest.raises(UsageError, match=r"6,000 states.*give parents, or drop columns"):
        BayesNet(BayesNetConfig(), spec)


def test_a_table_of_categories_is_trained_saved_drawn_and_gone_on_with(tmp_path: Path) -> None:
    names = [tuple(f"s{k}" for k in range(size)) for size in SIZES]
    lines = [",".join(names[v][k] for v, k in enumerate(row)) for row in rows(200).tolist()]
    (tmp_path / "t.csv").write_text("a,b,c,d,e\n" + "\n".join(lines) + "\n")
    command = ["train", "--plugin", "classical", "--recipe", "bayes-net", "--dataset", f"table:{tmp_path / 't.csv'}"]
    assert run([*command, "--out", str(tmp_path / "run")]) == 0
    assert run(["train", "--out", str(tmp_path / "run"), "--resume"]) == 0
    model = gentk.load(tmp_path / "run")
    assert not [name for name in model.state_dict() if "learning" in name]
    assert {name: len(of) for name, of in model.config.parents.items()} == dict.fromkeys("bcde", 1)  # type: ignore[attr-defined]
    drawn = gentk.sample(model, 50, seed=0)["x"]
    data = lookup.dataset(f"table:{tmp_path / 't.csv'}", "test", {}, "classical")
    assert torch.isfinite(model.log_prob(data.batch(range(10)), None)).all()  # type: ignore[attr-defined]
    assert all(int(drawn[:, v].max()) < size for v, size in enumerate(SIZES))
