"""Models of tables: against the law written out row by row, closed forms, and scikit-learn where it has the model."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from torch import Tensor

import gentk
from gentk.noise import Philox
from gentk.protocols import Column, DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training import Trainer
from gentk_classical.config import CopulaConfig, GMMConfig, NaiveBayesConfig
from gentk_classical.copula import Copula
from gentk_classical.mixture import GMM
from gentk_classical.naive_bayes import NaiveBayes
from gentk_datasets.bundled import iris

COLUMNS = (
    Column(name="a", missing=True),
    Column(name="kind", kind="category", names=("x", "y", "z"), missing=True),
    Column(name="b", missing=True),
    Column(name="flag", kind="category", names=("no", "yes")),
)


class Table:
    """Rows (n, 4) with labels, of which a share is missing."""

    def __init__(self, n: int = 400, missing: float = 0.2, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        label = rng.integers(0, 2, n)
        a = rng.normal(3.0 * label, 1.0)
        kind = np.where(rng.random(n) < 0.7, label, rng.integers(0, 3, n))
        b = 1000 + 50 * (a + rng.normal(0, 0.5, n))
        flag = (rng.random(n) < 0.3 + 0.4 * label).astype(float)
        x = np.stack([a, kind, b, flag], 1)
        x[:, :3][rng.random((n, 3)) < missing] = np.nan
        self.x, self.label = torch.from_numpy(x), torch.from_numpy(label)
        self.spec = DataSpec(
            modality="table",
            leaves={"x": Leaf(shape=(4,), double=True, columns=COLUMNS)},
            conditions={"label": Leaf(classes=2)},
            frequencies={"label": [0.5, 0.5]},
        )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index], "label": self.label[index]}

    def batch(self, indices: Any, noise: Any = None) -> dict[str, Tensor]:
        rows = torch.as_tensor(np.asarray(indices))
        return {"x": self.x[rows], "label": self.label[rows]}


def fit(model: Any, data: Any, **settings: Any) -> Any:
    logs = [progress.logs for progress in Trainer(model, data, TrainingPart(**settings)).rounds()]
    model.logged = [dict(log) for log in logs]
    return model.eval()


MODELS = {
    "gmm": lambda spec: GMM(GMMConfig(components=2), spec),
    "gmm diag": lambda spec: GMM(GMMConfig(components=3, covariance="diag"), spec),
    "gmm spherical": lambda spec: GMM(GMMConfig(components=3, covariance="spherical"), spec),
    "gmm per class": lambda spec: GMM(GMMConfig(components=2, per_class=True), spec),
    "naive-bayes": lambda spec: NaiveBayes(NaiveBayesConfig(), spec),
}


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("gmm")])
def test_em_with_gaps_never_loses_likelihood_and_tells_it_of_the_rows(name: str) -> None:
    data = Table()
    model = fit(MODELS[name](data.spec), data, tolerance=0)
    told = [log["log_likelihood"] for log in model.logged]
    assert all(b >= a - 1e-7 for a, b in pairwise(told[5:]))
    whole = data.batch(range(len(data)))
    now = model.log_prob({key: whole[key] for key in (("x", "label") if model.conditions else ("x",))}, Philox(0, range(len(data))))
    assert float(now.mean()) == pytest.approx(told[-1], abs=2e-3)


def test_the_density_of_a_row_with_gaps_is_that_of_what_is_there() -> None:
    """Against the law written out: a product over columns within each component, summed over components."""
    data = Table()
    model = fit(MODELS["gmm diag"](data.spec), data)
    means = model.middle + model.deviation * model.means[0]
    deviations = model.deviation / model.root[0]
    rows = data.batch(range(60))["x"]
    expected = []
    for a, kind, b, flag in rows.tolist():
        total = 0.0
        for k in range(3):
            p = float(model.weights[0, k]) * float(model.chance1[0, k, int(flag)])
            p *= 1 if math.isnan(kind) else float(model.chance0[0, k, int(kind)])
            for i, value in enumerate((a, b)):
                p *= 1 if math.isnan(value) else stats.norm.pdf(value, float(means[k, i]), float(deviations[k, i]))
            total += p
        expected.append(math.log(total))
    assert np.allclose(model.log_prob({"x": rows}, Philox(0, range(60))).numpy(), expected, rtol=0, atol=1e-9)


def test_one_gaussian_with_gaps_is_the_maximum_of_its_likelihood() -> None:
    """EM's fixed point of a full Gaussian: no small change of mean or covariance makes the rows likelier."""
    data = Table(300)
    model = fit(GMM(GMMConfig(components=1, covariance_floor=0, passes=1000), data.spec), data, tolerance=1e-13)
    rows = {"x": data.x}
    best = float(model.log_prob(rows, Philox(0, range(300))).mean())
    for buffer in (model.means, model.root):
        for _ in range(20):
            before = buffer.clone()
            step = 1e-3 * torch.randn(buffer.shape, dtype=torch.float64)
            buffer += step.triu() if buffer is model.root else step
            assert float(model.log_prob(rows, Philox(0, range(300))).mean()) < best + 1e-9
            buffer.copy_(before)


def test_a_table_of_numbers_alone_may_have_gaps() -> None:
    data = Table(300)
    data.x = data.x[:, [0, 2]]
    columns = (COLUMNS[0], COLUMNS[2])
    data.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(2,), double=True, columns=columns)})
    model = fit(GMM(GMMConfig(components=2), data.spec), data)
    found = model.log_prob({"x": data.x}, Philox(0, range(300)))
    assert bool(found.isfinite().all()) and model.logged[-1]["log_likelihood"] >= model.logged[0]["log_likelihood"]


def test_numbers_alone_are_scikit_learns_mixture() -> None:
    data = iris(labels=False)
    x = data.x.numpy()
    model = fit(GMM(GMMConfig(components=1, covariance_floor=0), data.spec), data)
    peer = GaussianMixture(1, reg_covar=0, tol=1e-12).fit(x)
    assert float(model.log_prob({"x": data.x}, Philox(0, range(len(x)))).mean()) == pytest.approx(peer.score(x), abs=1e-9)


def test_naive_bayes_of_numbers_is_scikit_learns() -> None:
    data = iris()
    model, peer = fit(NaiveBayes(NaiveBayesConfig(), data.spec), data), GaussianNB().fit(data.x.numpy(), data.classes.numpy())
    ours = gentk.classify(model, {"x": data.x}).numpy()
    assert np.allclose(ours, peer.predict_log_proba(data.x.numpy()), rtol=0, atol=1e-9)


def test_naive_bayes_counts_what_is_there() -> None:
    data = Table()
    model, x, label = fit(NaiveBayes(NaiveBayesConfig(alpha=1.0, var_smoothing=0), data.spec), data), data.x, data.label
    for c in (0, 1):
        own = x[label == c]
        there = own[:, 0][~own[:, 0].isnan()]
        assert float(model.means[c, 0]) == pytest.approx(float(there.mean()), abs=1e-12)
        assert float(model.variances[c, 0]) == pytest.approx(float(there.var(correction=0)) + 1e-12, abs=1e-9)
        kinds = own[:, 1][~own[:, 1].isnan()].long()
        counts = torch.bincount(kinds, minlength=3).double() + 1
        assert torch.allclose(model.categories.chance(0)[c], counts / counts.sum(), rtol=0, atol=1e-12)


def test_a_class_without_examples_has_posterior_zero_and_the_others_are_scikit_learns() -> None:
    """Labels from 1: class 0 never occurs."""
    x = torch.tensor([0, 0.1, 0.2, 0.3, 9, 9.1, 9.2, 9.3], dtype=torch.float64)[:, None]
    label = torch.tensor([1, 1, 1, 1, 2, 2, 2, 2])
    data = Table(8)
    data.x, data.label = x, label
    data.spec = DataSpec(
        modality="points", leaves={"x": Leaf(shape=(1,), double=True)}, conditions={"label": Leaf(classes=4)},
        frequencies={"label": [0, 0.5, 0.5, 0]},
    )  # fmt: skip
    model = fit(NaiveBayes(NaiveBayesConfig(), data.spec), data)
    posterior = gentk.classify(model, {"x": x})
    peer = GaussianNB().fit(x.numpy(), label.numpy()).predict_log_proba(x.numpy())
    assert posterior.argmax(1).tolist() == label.tolist() and bool((posterior[:, [0, 3]] == -torch.inf).all())
    assert np.allclose(posterior[:, 1:3].exp().numpy(), np.exp(peer), rtol=0, atol=1e-9)
    given = model.log_prob({"x": x, "label": label}, Philox(0, range(8)))
    assert bool(given.isfinite().all())
    unseen = model.log_prob({"x": x, "label": torch.zeros_like(label)}, Philox(0, range(8)))
    assert bool(unseen.isfinite().all())


@pytest.mark.parametrize("name", [*MODELS, "copula"])
def test_draws_and_fills_are_rows_of_the_table(name: str) -> None:
    data = Table()
    model = fit(Copula(CopulaConfig(), data.spec) if name == "copula" else MODELS[name](data.spec), data)
    drawn = gentk.sample(model, 3000, seed=1)["x"]
    assert drawn.dtype == torch.float64 and not drawn.isnan().any()
    for j, column in enumerate(COLUMNS):
        if column.kind == "category":
            own = data.x[:, j][~data.x[:, j].isnan()].long()
            real, made = (torch.bincount(v, minlength=len(column.names)) for v in (own, drawn[:, j].long()))
            assert float((real / real.sum() - made / made.sum()).abs().max()) < 0.08
        else:
            own = data.x[:, j][~data.x[:, j].isnan()]
            assert abs(float(drawn[:, j].mean() - own.mean())) < 0.15 * float(own.std())
    known = torch.rand(len(data), 4, generator=torch.Generator().manual_seed(0)) < 0.6
    known &= ~data.x.isnan()
    filled = gentk.impute(model, {"x": data.x.nan_to_num()}, known)
    assert torch.equal(filled[known], data.x[known]) and not filled.isnan().any()
    states = filled[:, 1]
    assert set(states.tolist()) <= {0.0, 1.0, 2.0}


@pytest.mark.parametrize("name", ["gmm", "gmm per class", "copula"])
def test_what_goes_together_tells_what_is_missing(name: str) -> None:
    """b is a line in a with noise of a fifth of its deviation: the mean of draws given a is far nearer than b's mean."""
    data = Table(2000, missing=0.1)
    model = fit(Copula(CopulaConfig(), data.spec) if name == "copula" else MODELS[name](data.spec), data)
    there = ~(data.x[:, 0].isnan() | data.x[:, 2].isnan())
    rows = data.x[there][:300]
    known = torch.ones_like(rows, dtype=torch.bool) & ~rows.isnan()
    known[:, 2] = False
    draws = torch.stack([gentk.impute(model, {"x": rows.nan_to_num()}, known, seed=s)[:, 2] for s in range(10)])
    error = (draws.mean(0) - rows[:, 2]).square().mean().sqrt()
    assert float(error) < 0.5 * float(rows[:, 2].std())


def test_the_copula_keeps_marginals_and_correlations() -> None:
    rng = np.random.default_rng(0)
    z = rng.multivariate_normal([0, 0, 0], [[1, 0.8, -0.5], [0.8, 1, -0.3], [-0.5, -0.3, 1]], 4000)
    x = np.stack([np.exp(z[:, 0]), np.where(z[:, 1] < 0.5, 0.0, z[:, 1]), z[:, 2] ** 3], 1)
    data = Table(4000)
    data.x = torch.from_numpy(x)
    data.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(3,), double=True, columns=tuple(Column(name=n) for n in "abc"))})
    model = fit(Copula(CopulaConfig(), data.spec), data)
    drawn = gentk.sample(model, 4000, seed=3)["x"].numpy()
    for j in range(3):
        assert stats.ks_2samp(drawn[:, j], x[:, j]).pvalue > 0.01
    assert abs((drawn[:, 1] == 0).mean() - (x[:, 1] == 0).mean()) < 0.03  # a value that came often comes again
    ours, theirs = (stats.spearmanr(a).statistic for a in (drawn, x))
    assert np.abs(ours - theirs).max() < 0.06


def test_drawing_given_some_columns_keeps_them(tmp_path: Path) -> None:
    data = Table()
    (tmp_path / "row.csv").write_text("kind,a\ny,2.5\n,0.125\n")
    for model in (fit(MODELS["gmm"](data.spec), data), fit(Copula(CopulaConfig(per_class=False), data.spec), data)):
        drawn = gentk.sample(model, 6, cond={"known": str(tmp_path / "row.csv")})["x"]
        assert drawn[:, 0].tolist() == [2.5, 0.125] * 3 and drawn[::2, 1].tolist() == [1.0] * 3
        given = gentk.sample(model, 4, cond={"known": {"a": 2.5, "flag": "yes"}})["x"]
        assert given[:, 0].tolist() == [2.5] * 4 and given[:, 3].tolist() == [1.0] * 4
        other = gentk.sample(model, 4, seed=1, cond={"known": {"a": 2.5}})["x"]
        assert len(set(other[:, 2].tolist())) == 4
