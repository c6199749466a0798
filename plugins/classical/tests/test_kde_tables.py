"""Kernel densities of tables: against statsmodels, the law written out, and what more rows of one law tell."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from statsmodels.nonparametric.kernel_density import KDEMultivariate
from torch import Tensor

import gentk
from gentk.errors import UsageError
from gentk.inference.likelihood import log_prob
from gentk.noise import Philox
from gentk.protocols import Column, DataSpec, Leaf
from gentk_classical.config import KDEConfig
from gentk_classical.kde import KDE
from gentk_classical.kernels import States, donated
from plugins.classical.tests.test_mixed import Table, fit

WHOLE = Table(400, missing=0)
X = WHOLE.x.numpy()
SHARE, H = 0.3, 0.4
BOUND = 4.5  # standard errors


def fitted(data: Table = WHOLE, **config: Any) -> KDE:
    chosen = {"bandwidth": H, "covariance": "isotropic", "category_bandwidth": SHARE, **config}
    model: KDE = fit(KDE(KDEConfig.model_validate(chosen), data.spec), data)
    return model


def peer(columns: list[int], x: np.ndarray[Any, Any] = X) -> KDEMultivariate:
    """statsmodels' estimate of these columns, with the bandwidths of `fitted`."""
    widths = {0: H * x[:, 0].std(ddof=1), 1: SHARE * 2 / 3, 2: H * x[:, 2].std(ddof=1), 3: SHARE / 2}
    return KDEMultivariate(x[:, columns], "".join("cucu"[j] for j in columns), bw=[widths[j] for j in columns])


@pytest.mark.parametrize("columns", [[0, 1, 2, 3], [0, 3], [1, 2], [1], [2]])
def test_densities_are_statsmodels_of_whatever_is_known(columns: list[int]) -> None:
    """What a row lacks is summed over: the same estimate of the other columns alone."""
    rows = Table(80, missing=0, seed=1).x
    hidden = torch.full_like(rows, math.nan)
    hidden[:, columns] = rows[:, columns]
    found = fitted().log_prob({"x": hidden}, Philox(0, range(80)))
    assert np.abs(found.numpy() - np.log(peer(columns).pdf(rows.numpy()[:, columns]))).max() <= 1e-9


def test_rows_of_many_patterns_and_chunks_have_the_density_that_each_has_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Table(90, missing=0.3, seed=2).x
    for covariance in ("full", "isotropic"):
        model = fitted(covariance=covariance)
        whole = log_prob(model, {"x": rows})
        alone = torch.cat([log_prob(model, {"x": row[None]}) for row in rows])
        assert torch.allclose(whole, alone, rtol=0, atol=1e-10)
        with monkeypatch.context() as patch:
            patch.setattr("gentk_classical.kde.TABLE", 400 * 7)
            assert torch.allclose(log_prob(model, {"x": rows}), whole, rtol=0, atol=1e-10)


def test_the_kernel_of_the_datas_shape_is_one_of_all_numbers() -> None:
    """p(a, b | whole rows) = mean of N(·; x_i, h² Σ): scipy, of numbers alone."""
    numbers = X[:, [0, 2]]
    law = stats.gaussian_kde(numbers.T, bw_method=H)
    rows = torch.full((50, 4), math.nan, dtype=torch.float64)
    rows[:, [0, 2]] = WHOLE.x[:50][:, [0, 2]]
    found = fitted(covariance="full").log_prob({"x": rows}, Philox(0, range(50)))
    assert np.abs(found.numpy() - law.logpdf(numbers[:50].T)).max() <= 1e-9


def test_a_kernel_of_categories_sums_to_one_and_at_its_largest_knows_nothing() -> None:
    states = States((2, 5, 1))
    for share in (0.01, 0.5, 1.0):
        for table, size in zip(states.logs(share), states.sizes, strict=True):
            assert torch.allclose(table.exp().sum(1), torch.ones(size, dtype=torch.float64), rtol=0, atol=1e-14)
            assert float(table[0, 0].exp()) == pytest.approx(1 - share * (size - 1) / size, abs=1e-14)
    assert all(torch.allclose(table.exp(), torch.full_like(table, 1 / len(table))) for table in states.logs(1.0))


# ---- leave-one-out
def left_out(x: np.ndarray[Any, Any], share: float) -> float:
    """Mean log-likelihood of each row under statsmodels' estimate of the others, with the deviations of all."""
    widths = [H * x[:, 0].std(ddof=1), share * 2 / 3, H * x[:, 2].std(ddof=1), share / 2]
    each = [KDEMultivariate(np.delete(x, i, 0), "cucu", bw=widths).pdf(x[i : i + 1]) for i in range(len(x))]
    return float(np.mean(np.log(each)))


def test_training_tells_the_leave_one_out_likelihood() -> None:
    data = Table(120, missing=0)
    told = fitted(data).logged[-1]["log_likelihood"]
    assert told == pytest.approx(left_out(data.x.numpy(), SHARE), abs=1e-9)


def test_cross_validation_chooses_for_categories_too() -> None:
    """A flag that hangs on nothing is smoothed away; one that a number decides is not."""
    data = Table(300, missing=0)
    data.spec = data.spec.model_copy(update={"leaves": {"x": Leaf(shape=(2,), double=True, columns=(Column(name="a"), FLAG))}})
    shares = []
    for decided in (False, True):
        flag = (data.x[:, 0] > 1.5).double() if decided else torch.rand(300, generator=torch.Generator().manual_seed(0)).round().double()
        data.x = torch.stack([data.x[:, 0], flag], 1)
        model = fitted(data, bandwidth="cv", category_bandwidth="rule")
        shares.append(float(model.share))
        worse = [fitted(data, bandwidth=float(model.bandwidth), category_bandwidth=share) for share in (0.01, 0.1, 0.4, 1.0)]
        best = model.logged[-1]["log_likelihood"]
        assert all(best >= other.logged[-1]["log_likelihood"] - 1e-12 for other in worse)
    assert shares[0] == 1.0 and shares[1] < 0.05


FLAG = Column(name="flag", kind="category", names=("no", "yes"))


def test_a_row_is_not_judged_by_what_it_gave_to_others() -> None:
    """Of the kernels that hold a cell of a row, none counts for that row: against the sum written out."""
    data = Table(60, missing=0.3)
    model = fitted(data)
    x, donor = model.kept, model.donor[:60]
    middle, total = model.deviation.log(), 0.0
    for i in range(60):
        own = (donor[i] < 0).tolist()
        used = [k for k in range(60) if k != i and not bool((donor[k] == i).any())]
        log = torch.zeros(len(used), dtype=torch.float64)
        for j, width in enumerate((1 / model.root, 1 / model.root)):
            if own[j]:
                log += torch.distributions.Normal(x[used, j], width).log_prob(x[i, j]) - middle[j]
        for j, size in ((2, 3), (3, 2)):
            if own[j]:
                leave = SHARE * (size - 1) / size
                same = (x[used, j] == x[i, j]).double()
                log += same * math.log(1 - leave) + (1 - same) * math.log(leave / (size - 1))
        total += float(log.logsumexp(0)) - math.log(len(used))
    told = model.logged[-1]["log_likelihood"]
    assert bool((donor >= 0).any()) and told == pytest.approx(total / 60, abs=1e-9)


# ---- gaps in what is fitted
def test_a_gap_is_filled_by_a_row_that_is_near_in_what_both_know() -> None:
    x = torch.tensor([[0.0, 5.0, 0.0], [9.0, -5.0, 1.0], [0.1, math.nan, 0.0], [9.2, math.nan, 1.0], [math.nan, 5.1, math.nan]])
    out, donor = donated(x.double().repeat(20, 1), States((2,)), 0.5, 0.05)
    assert not out.isnan().any() and bool((donor >= 0).eq(x.isnan().repeat(20, 1)).all())
    assert torch.equal(out[2::5, 1] > 0, torch.ones(20, dtype=torch.bool)) and bool((out[3::5, 1] < 0).all())
    assert bool((out[4::5, 0] < 1).all()) and bool((out[4::5, 2] == 0).double().mean() > 0.8)
    given = (donor >= 0).nonzero()
    assert all(out[i, j] == out[donor[i, j].long(), j] for i, j in given.tolist())


def test_gaps_of_the_rows_do_not_loosen_what_goes_together() -> None:
    """Most of a column is missing where another is high. The marginal law in a gap's place would weaken the correlation and the mean."""
    whole, data = Table(3000, missing=0, seed=3), Table(3000, missing=0, seed=3)
    gone = (torch.rand(3000, generator=torch.Generator().manual_seed(0)) < 0.8) & (data.x[:, 0] > 1.0)
    data.x[gone, 2] = math.nan
    models = [fitted(table, bandwidth="scott", category_bandwidth="rule", covariance="full") for table in (whole, data)]
    drawn = [gentk.sample(model, 4000, seed=1)["x"].numpy()[:, [0, 2]] for model in models]
    first, second = (np.corrcoef(x.T)[0, 1] for x in drawn)
    assert first > 0.9 and second > first - 0.04
    assert drawn[1][:, 1].mean() == pytest.approx(drawn[0][:, 1].mean(), abs=0.1 * X[:, 2].std())  # of the rest alone: 0.3 lower


def test_a_column_without_a_cell_is_named() -> None:
    data = Table(50)
    data.x[:, 2] = math.nan
    with pytest.raises(UsageError, match="column 'b' is missing in every row"):
        fitted(data)


# ---- draws
def test_draws_have_the_shares_and_moments_of_the_estimate() -> None:
    model, n = fitted(), 20_000
    x = gentk.sample(model, n, seed=4, batch_size=n)["x"].numpy()
    for j, size in ((1, 3), (3, 2)):
        leave = SHARE * (size - 1) / size
        shares = np.bincount(X[:, j].astype(int), minlength=size) / len(X)
        wanted = shares * (1 - leave) + (1 - shares) * leave / (size - 1)
        assert np.abs(np.bincount(x[:, j].astype(int), minlength=size) / n - wanted).max() < BOUND * 0.5 / n**0.5
    for j in (0, 2):
        assert abs(x[:, j].mean() - X[:, j].mean()) < BOUND * x[:, j].std() / n**0.5
        assert x[:, j].var() == pytest.approx(X[:, j].var() + H**2 * X[:, j].var(ddof=1), rel=0.06)


@pytest.mark.parametrize("covariance", ["full", "isotropic"])
def test_the_rest_is_drawn_from_its_exact_law_given_numbers_and_states(covariance: str) -> None:
    """a = 2.5, flag = yes: kernels by these two, then kind by its own and b by its conditional Gaussian."""
    model, n = fitted(covariance=covariance), 20_000
    x = gentk.sample(model, n, seed=5, batch_size=n, cond={"known": {"a": 2.5, "flag": "yes"}})["x"]
    assert set(x[:, 0].tolist()) == {2.5} and set(x[:, 3].tolist()) == {1.0}
    spread = H**2 * np.cov(X[:, [0, 2]].T)
    spread = spread if covariance == "full" else np.diag(np.diag(spread))
    weight = stats.norm(X[:, 0], spread[0, 0] ** 0.5).pdf(2.5) * np.where(X[:, 3] == 1, 1 - SHARE / 2, SHARE / 2)
    weight /= weight.sum()
    leave = SHARE * 2 / 3
    kinds = np.array([weight[X[:, 1] == k].sum() for k in range(3)])
    wanted = kinds * (1 - leave) + (1 - kinds) * leave / 2
    assert np.abs(np.bincount(x[:, 1].long().numpy(), minlength=3) / n - wanted).max() < BOUND * 0.5 / n**0.5
    middle = X[:, 2] + spread[0, 1] / spread[0, 0] * (2.5 - X[:, 0])
    mean = weight @ middle
    variance = spread[1, 1] - spread[0, 1] ** 2 / spread[0, 0] + weight @ (middle - mean) ** 2
    assert float(x[:, 2].mean()) == pytest.approx(mean, abs=BOUND * (variance / n) ** 0.5)
    assert float(x[:, 2].var()) == pytest.approx(variance, rel=0.06)


def test_a_file_of_known_rows_stays_and_rows_are_their_own(tmp_path: Path) -> None:
    (tmp_path / "row.csv").write_text("kind,a\ny,2.5\n,0.125\n")
    model = fitted(Table())
    drawn = gentk.sample(model, 6, cond={"known": str(tmp_path / "row.csv")})["x"]
    assert drawn[:, 0].tolist() == [2.5, 0.125] * 3 and drawn[::2, 1].tolist() == [1.0] * 3 and not drawn.isnan().any()
    rows = Table(90, missing=0.4, seed=5).x
    filled = gentk.impute(model, {"x": rows.nan_to_num()}, ~rows.isnan())
    assert torch.equal(filled[~rows.isnan()], rows[~rows.isnan()]) and not filled.isnan().any()
    assert torch.allclose(gentk.impute(model, {"x": rows}, ~rows.isnan(), batch_size=7), filled, rtol=1e-9)


class Days(Table):
    """Whole numbers, dates, and a column that never changes."""

    def __init__(self) -> None:
        super().__init__(200, missing=0)
        columns = (Column(name="age", kind="integer"), Column(name="day", kind="date", format="%Y-%m-%d"), Column(name="one"))
        self.x = torch.stack([(10 * self.x[:, 0]).round(), (18_000 + self.x[:, 2]).round(), torch.ones(200, dtype=torch.float64)], 1)
        self.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(3,), double=True, columns=columns)})


def test_whole_numbers_and_dates_are_drawn_whole() -> None:
    data = Days()
    model = fitted(data)
    known = torch.tensor([True, False, True]).expand(200, 3)
    for x in (model.draw(500, Philox(0, range(500)), {}), model.impute({"x": data.x}, known, Philox(0, range(200)))):
        assert bool((x[:, :2] == x[:, :2].round()).all()) and len(set(x[:, 1].tolist())) > 50
    with pytest.raises(UsageError, match="isotropic"):
        fitted(data, covariance="full")


def states_alone() -> Table:
    data = Table(500, missing=0)
    data.x = data.x[:, [1, 3]].long()
    data.spec = DataSpec(modality="table", leaves={"x": Leaf(shape=(2,), classes=3)})
    return data


def test_a_table_of_states_alone_needs_no_number() -> None:
    data = states_alone()
    model = fitted(data, covariance="full")
    every = torch.tensor([[i, j] for i in range(3) for j in range(3)])
    found = log_prob(model, {"x": every}).exp()
    assert float(found.sum()) == pytest.approx(1, abs=1e-12)
    drawn: Tensor = gentk.sample(model, 9000, seed=1)["x"]
    assert drawn.dtype == torch.int64
    counts = torch.bincount(3 * drawn[:, 0] + drawn[:, 1], minlength=9).double()
    assert bool(((counts / 9000 - found).abs() < BOUND * (found / 9000).sqrt()).all())
    known = torch.tensor([[True, False]]).expand(500, 2)
    assert torch.equal(gentk.impute(model, {"x": data.x}, known)[:, 0], data.x[:, 0])
