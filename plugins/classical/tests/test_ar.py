"""The autoregression against statsmodels, and against joint Gaussians that are written out."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from statsmodels.tsa.ar_model import AutoReg
from statsmodels.tsa.arima_process import arma_acovf
from torch import Tensor

from gentk.errors import GentkError, UsageError
from gentk.host import lookup
from gentk.inference.sampling import sample
from gentk.noise import Philox
from gentk.protocols import Clock, DataSpec, Forecaster, Imputer, Leaf, Likelihood, StatisticsModel, can
from gentk.recipes import TrainingPart
from gentk.training.trainer import Trainer
from gentk.weights import load
from gentk_classical.ar import AR
from gentk_classical.config import ARConfig

TRENDS = ["n", "c", "ct"]


def passengers(steps: int = 144) -> Tensor:
    """(steps, 1): logarithms of something like a growing, seasonal business."""
    generator = np.random.default_rng(3)
    t = np.arange(steps)
    noise = np.zeros(steps)
    for i in range(1, steps):
        noise[i] = 0.7 * noise[i - 1] + 0.03 * generator.standard_normal()
    return torch.from_numpy(4.8 + 0.01 * t + 0.2 * np.sin(2 * np.pi * t / 12) + 0.08 * np.cos(4 * np.pi * t / 12) + noise)[:, None]


class Given:
    """Series as a data set: x (n, T, D), and how long each is."""

    def __init__(self, x: Tensor, length: list[int] | None = None) -> None:
        self.x, self.length = x, length
        leaves = {"x": Leaf(shape=tuple(x.shape[1:]))} | ({"length": Leaf(classes=x.shape[1] + 1)} if length else {})
        self.spec = DataSpec(modality="series", leaves=leaves)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index]} | ({"length": torch.tensor(self.length[index])} if self.length else {})

    def batch(self, indices: Any, noise: Any = None) -> dict[str, Tensor]:
        rows = [self[int(i)] for i in indices]
        return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}


def fit(data: Given, order: int = 12, trend: str = "c", batch_size: int = 4) -> AR:
    model = AR(ARConfig.model_validate({"order": order, "trend": trend}), data.spec)
    for _ in Trainer(model, data, TrainingPart(batch_size=batch_size)).rounds():
        pass
    return model.eval()


def noise(n: int, seed: int = 0) -> Philox:
    return Philox(seed, range(n), dtype=torch.float64)


def close(ours: Tensor, theirs: Any, tolerance: float = 1e-8) -> None:
    assert np.allclose(ours.numpy(), np.asarray(theirs), rtol=tolerance, atol=0, equal_nan=True), np.abs(ours.numpy() / theirs - 1).max()


@pytest.mark.parametrize(("trend", "offset"), [("n", 0.0), ("c", 0.0), ("ct", 0.0), ("c", 1e4), ("ct", 1e4)])
@pytest.mark.parametrize("order", [1, 2, 12])
def test_it_is_statsmodels_autoreg(order: int, trend: str, offset: float) -> None:
    """Parameters, standard errors, variance, fit, likelihood, forecasts and their errors; far from the origin too."""
    series = passengers() + offset
    model, theirs = fit(Given(series[None]), order, trend), AutoReg(series[:, 0].numpy(), order, trend).fit()
    batch, loose = {"x": series[None]}, 1e-8 if offset == 0 else 1e-6
    close(model.theta[0], theirs.params, loose)
    close(model.errors[0], theirs.bse, loose)
    close(model.variance, [theirs.sigma2], loose)
    close(model.fitted(batch)[0, order:, 0], theirs.fittedvalues)
    close(model.log_prob(batch, noise(1)), [theirs.llf], loose)
    ours, told = model.forecast(batch, 36), theirs.get_prediction(144, 179)
    close(ours.mean[0, :, 0], told.predicted_mean)
    close(ours.std[0, :, 0], told.se_mean, loose)
    band = told.conf_int(alpha=0.05)
    half = stats.norm.ppf(0.975) * ours.std[0, :, 0]
    close(ours.mean[0, :, 0] - half, band[:, 0])
    close(ours.mean[0, :, 0] + half, band[:, 1])
    assert model.fitted(batch)[0, :order].isnan().all()


def test_roots_are_statsmodels_and_say_whether_the_past_is_forgotten() -> None:
    model, theirs = fit(Given(passengers()[None]), 12), AutoReg(passengers()[:, 0].numpy(), 12).fit()
    facts = model.facts()["channels"][0]
    assert np.allclose([root["modulus"] for root in facts["roots"]], sorted(np.abs(theirs.roots)))
    assert facts["stationary"] == bool((np.abs(theirs.roots) > 1).all())
    assert any(root["period"] == pytest.approx(12, rel=0.01) and root["modulus"] < 1.05 for root in facts["roots"])
    assert json.loads(json.dumps(facts)) == facts and facts["parameters"]["phi12"] == float(model.coefficients[0, 11])
    for phi, stationary in ((0.99, True), (1.01, False), (-1.01, False)):
        model = AR(ARConfig(order=1), Given(passengers()[None]).spec)
        model.theta[0, 1] = phi
        assert model.facts()["channels"][0]["stationary"] is stationary


def many(n: int = 40, steps: int = 50, seed: int = 0) -> Tensor:
    """(n, steps, 2): an AR(2) around 5 in each channel, other coefficients in each."""
    z = torch.randn(n, steps + 100, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x = torch.zeros_like(z)
    first, second = torch.tensor([0.9, -0.4]), torch.tensor([-0.5, 0.3])
    for t in range(2, x.shape[1]):
        x[:, t] = first * x[:, t - 1] + second * x[:, t - 2] + z[:, t] * torch.tensor([1.0, 0.5])
    return x[:, 100:] + 5


def test_several_series_and_channels_are_one_regression_each() -> None:
    """Rows of all series, in numpy, with what lies behind a series' end left out."""
    x, length = many(), [50, 30, 12, 4, 3] * 8
    padded = x.clone()
    for row, end in zip(padded, length, strict=True):
        row[end:] = 1e6
    model = fit(Given(padded, length), 2, "ct")
    for d in range(2):
        rows = [[1, t + 1, s[t - 1], s[t - 2], s[t]] for s, end in zip(x[..., d].numpy(), length, strict=True) for t in range(2, end)]
        terms, target = np.array(rows)[:, :4], np.array(rows)[:, 4]
        theirs, left, *_ = np.linalg.lstsq(terms, target, rcond=None)
        close(model.theta[d], theirs)
        close(model.variance[d], left[0] / len(target))
    found = model.fitted({"x": padded, "length": torch.tensor(length)})
    assert (found.isfinite().sum((1, 2)) == 2 * (torch.tensor(length) - 2)).all()
    assert torch.equal(
        model.log_prob({"x": padded, "length": torch.tensor(length)}, noise(40))[2], model.log_prob({"x": x[2:3, :12]}, noise(1))[0]
    )
    ends = model.forecast({"x": padded, "length": torch.tensor(length)}, 3).mean[3]
    close(ends, model.forecast({"x": x[3:4, :4]}, 3).mean[0])


def test_the_batch_size_changes_nothing_and_the_order_of_series_rounding() -> None:
    a, b = fit(Given(many()), 2, batch_size=1), fit(Given(many()), 2, batch_size=32)
    assert torch.equal(a.theta, b.theta)
    close(fit(Given(many().flip(0)), 2).theta, a.theta.numpy(), 1e-12)


def test_the_report_is_the_likelihood_before_the_update_and_no_parameters_are_better() -> None:
    data = Given(many())
    model = AR(ARConfig(order=2, trend="ct"), data.spec)
    batch = data.batch(range(40))
    model.start(batch)
    white = model.log_prob(batch, noise(40)).mean()
    assert model.update(model.statistics(batch))["log_likelihood"] == pytest.approx(float(white), rel=1e-12)
    best = model.log_prob(batch, noise(40)).mean()
    assert model.update(model.statistics(batch))["log_likelihood"] == pytest.approx(float(best), rel=1e-12) and best > white
    for name in ("theta", "variance"):
        for place in range(getattr(model, name).numel()):
            for change in (-1e-3, 1e-3):
                getattr(model, name).view(-1)[place] += change
                assert model.log_prob(batch, noise(40)).mean() < best
                getattr(model, name).view(-1)[place] -= change


# ---------------------------------------------------------------- drawing
def test_draws_go_on_from_where_the_training_ended_with_its_own_forecast() -> None:
    series = passengers(120)
    padded = torch.cat([series, torch.zeros(24, 1)])
    model = fit(Given(padded[None], [120]), 12, "ct")
    assert model.time == 120 and torch.equal(model.history, series[-12:])
    told = model.forecast({"x": series[None]}, 144)
    drawn = sample(model, 4000, seed=1)
    assert set(drawn.batch) == {"x", "length"} and (drawn["length"] == 144).all()
    error = (drawn["x"].double().mean(0) - told.mean[0]) / told.std[0]
    assert error.abs().max() < 4.5 / math.sqrt(4000)
    assert (drawn["x"].double().std(0) / told.std[0] - 1).abs().max() < 0.06


def test_a_given_history_is_gone_on_from_and_a_sample_is_its_own() -> None:
    model = fit(Given(passengers()[None]), 2)
    low = sample(model, 6, seed=1, cond={"history": torch.full((2, 1), 3.0)})
    assert (low["x"][:, 0] < sample(model, 6, seed=1)["x"][:, 0] - 0.5).all() and low["history"].shape == (6, 2, 1)
    few = sample(model, 2, seed=1, cond={"history": torch.full((2, 1), 3.0)}, batch_size=1)
    assert torch.equal(low["x"][:2], few["x"])


def test_what_goes_on_from_another_history_is_not_dated_by_the_training_series() -> None:
    model = fit(Given(passengers()[None]), 2)
    leaf = model.data.leaves["x"].model_copy(update={"clock": Clock(name="month", start=0, every=1, unit="month", format="%Y-%m")})
    model.data = model.data.model_copy(update={"leaves": {**model.data.leaves, "x": leaf}})
    assert sample(model, 2, seed=1)["time"].tolist() == [len(passengers())] * 2
    assert sample(model, 2, seed=1, cond={"history": torch.full((2, 1), 3.0)})["time"].tolist() == [-1, -1]


# ---------------------------------------------------------------- gaps
def joint(model: AR, steps: int, d: int) -> tuple[Any, Any]:
    """Mean and covariance of (x_{1−p} … x_T) in one channel: the inverse of a banded matrix, written out."""
    p, size = model.order, model.order + steps
    rows, offset = np.zeros((size, size)), np.zeros(size)
    means, covariance = model._before()
    root = np.linalg.inv(np.linalg.cholesky(covariance[d].flip(0, 1).numpy()))
    rows[:p, :p], offset[:p] = root, root @ means[d].flip(0).numpy()
    level = model._level(torch.arange(1, steps + 1).double())[:, d].numpy()
    sigma = float(model.variance[d].sqrt())
    for t in range(steps):
        rows[p + t, p + t] = 1 / sigma
        rows[p + t, t : t + p] = -model.coefficients[d].flip(0).numpy() / sigma
        offset[p + t] = level[t] / sigma
    inverse = np.linalg.inv(rows)
    return (inverse @ offset)[p:], (inverse @ inverse.T)[p:, p:]


class Fixed:
    """Noise that is handed over, (n, …)."""

    def __init__(self, z: Tensor) -> None:
        self.z = z

    def normal(self, *shape: int) -> Tensor:
        return self.z.reshape(-1, *shape)


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("lasting", [False, True])
def test_gaps_are_filled_by_the_joint_gaussian_given_the_rest(trend: str, lasting: bool) -> None:
    """The mean, and the whole covariance of the draws, which are affine in their noise: found with unit vectors."""
    model = fit(Given(many()), 2, trend)
    if lasting:  # roots inside the unit circle
        model.theta[:, -2:] = torch.tensor([1.4, -0.3])
    steps = 12
    x = many(1, steps, 5)
    known = torch.ones(1, steps, 2, dtype=torch.bool)
    known[0, [0, 4, 5, 6, 11], 0] = False
    known[0, :9, 1] = False
    size = (model.order + steps) * 2
    assert bool(model.stationary.all()) is not lasting
    shown = x.masked_fill(~known, math.nan)
    mean = model.impute({"x": shown}, known, Fixed(torch.zeros(1, size)))[0]  # type: ignore[arg-type]
    moved = model.impute({"x": shown.expand(size, -1, -1)}, known.expand(size, -1, -1), Fixed(torch.eye(size)))  # type: ignore[arg-type]
    moved = moved - mean
    assert torch.equal(mean[known[0]], x[known])
    for d in range(2):
        centre, covariance = joint(model, steps, d)
        free, seen = ~known[0, :, d].numpy(), known[0, :, d].numpy()
        gain = covariance[np.ix_(free, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
        close(mean[free, d], centre[free] + gain @ (x[0, seen, d].numpy() - centre[seen]), 1e-7)
        left = covariance[np.ix_(free, free)] - gain @ covariance[np.ix_(seen, free)]
        ours = moved[:, free, d].T @ moved[:, free, d]
        assert np.abs(ours.numpy() - left).max() < 1e-9 * np.abs(left).max()


def test_what_stands_before_a_series_is_stationary_where_the_process_is() -> None:
    """The autocovariances are statsmodels', and the mean is the line that the process stays on; else they are the data's."""
    model = fit(Given(many()), 2, "ct")
    model.theta[0] = torch.tensor([0.7, 0.3, 0.5, 0.2], dtype=torch.float64)
    model.theta[1] = torch.tensor([0.7, 0.3, 1.4, -0.3], dtype=torch.float64)
    means, covariances = model._before()
    theirs = arma_acovf(np.array([1, -0.5, -0.2]), np.array([1.0]), 2, float(model.variance[0]))
    close(covariances[0, 0], theirs)
    for mirrored in (covariances[0].flip(0, 1), covariances[0].T):  # the same sums, in another order
        assert torch.allclose(covariances[0], mirrored, rtol=1e-12, atol=0)
    for t in (1, 2):  # means[0] are those at t = 0 and −1
        step = 0.7 + 0.3 * t + 0.5 * means[0, 0] + 0.2 * means[0, 1]
        means = torch.cat([torch.stack([step, means[1, 0]])[:, None], means], 1)
    gaps = means[0].diff()
    assert torch.allclose(gaps, gaps[:1]) and float(gaps[0]) == pytest.approx(-0.3 / 0.3)
    assert (means[1, -2:] == model.mean[1]).all() and torch.equal(covariances[1], model.spread[1] * torch.eye(2).double())
    assert torch.allclose(model.mean, many().mean((0, 1))) and torch.allclose(model.spread, many().var((0, 1), correction=0))


def test_padding_says_nothing_of_a_gap_before_it() -> None:
    series = passengers()
    padded = torch.cat([series, torch.full((10, 1), 70.0)])[None]
    model = fit(Given(padded, [144]), 12)
    known = torch.ones(1, 154, 1, dtype=torch.bool)
    known[:, 138:144] = False
    drawn = model.impute({"x": padded, "length": torch.tensor([144])}, known, noise(1))
    close(drawn[0, :144], model.impute({"x": series[None]}, known[:, :144], noise(1))[0])


def test_gaps_of_a_fitted_season_are_filled_and_padding_stays() -> None:
    series = passengers()
    padded = torch.cat([series, torch.full((10, 1), 7.0)])[None]
    model = fit(Given(padded, [144]), 12)
    known = torch.ones(1, 154, 1, dtype=torch.bool)
    known[:, 60:84] = False
    known[:, 150:] = False
    hidden = padded.masked_fill(~known, 0.0)
    batch = {"x": hidden.expand(200, -1, -1), "length": torch.full((200,), 144)}
    drawn = model.impute(batch, known.expand(200, -1, -1), noise(200))
    assert torch.equal(drawn[:, 144:], batch["x"][:, 144:]) and torch.equal(drawn[0, :60], series[:60])
    error = drawn[:, 60:84] - series[60:84]
    assert error.mean(0).abs().max() < 0.15 and error.mean(0).square().mean().sqrt() < 0.5 * series[60:84].std()
    assert (error.mean(0).abs() < 3 * drawn[:, 60:84].std(0)).all()
    assert torch.equal(model.impute({k: v[:3] for k, v in batch.items()}, known.expand(3, -1, -1), noise(3)), drawn[:3])


# ---------------------------------------------------------------- what it says
def test_its_capabilities_are_found() -> None:
    model = AR(ARConfig(), Given(passengers()[None]).spec)
    assert all(can(model, capability) for capability in (StatisticsModel, Likelihood, Forecaster, Imputer))
    with torch.device("meta"):
        assert AR(ARConfig(), Given(passengers()[None]).spec).theta.is_meta


def test_the_shipped_weights_go_on_from_the_last_year_that_they_saw() -> None:
    """What the README says of them: fitted on ten years of logarithms, and the next years are the last one, grown."""
    recipe, shipped = lookup.recipe("classical", "ar"), load("classical/ar")
    assert shipped.config.model_dump() == recipe.model.config and recipe.dataset.options["log"] is True
    facts = shipped.facts()["channels"][0]
    assert (
        shipped.time == 120
        and facts["sigma"] == pytest.approx(0.0523, abs=1e-4)
        and facts["roots"][0]["period"] == pytest.approx(12, abs=0.3)
    )
    told = shipped.forecast({"x": shipped.history[None]}, 24).mean[0].exp()
    year = shipped.history.exp()
    assert year[-1] == pytest.approx(337, abs=0.1) and 1.02 < float((told[:12] / year).mean()) < 1.2
    assert torch.corrcoef(torch.stack([told[:12, 0], year[:, 0]]))[0, 1] > 0.9


@pytest.mark.parametrize(
    ("series", "order", "word"),
    [
        (passengers(26)[None], 12, "do not fix 13 parameters"),
        (passengers(20)[None], 12, "wants series of 26 steps"),
        (torch.zeros(1, 40), 3, "wants series, (steps, channels)"),
    ],
)
def test_what_cannot_be_fitted_is_said_in_one_line(series: Tensor, order: int, word: str) -> None:
    with pytest.raises(GentkError) as caught:
        fit(Given(series.double(), [25] if len(series[0]) == 26 else None), order)
    assert word in str(caught.value) and "\n" not in str(caught.value)


EXACT = {
    "constant": np.full(60, 5.0),
    "zero": np.zeros(60),
    "line": 3 + 0.5 * np.arange(60),
    "far line": 1e4 + np.arange(60.0),
    "sine": np.sin(2 * np.pi * np.arange(60) / 12),
    "two periods": np.arange(60) % 2 - (np.arange(60) % 5) * 2.0,
}


@pytest.mark.parametrize("trend", ["n", "c", "ct"])
@pytest.mark.parametrize("order", [1, 3, 12])
@pytest.mark.parametrize("name", EXACT)
def test_an_exact_series_goes_on_as_statsmodels_says(name: str, order: int, trend: str) -> None:
    """Lags that depend on each other have many least-squares solutions, which forecast alike; where they are exact the variance is 0."""
    if name == "far line" and trend == "n":
        pytest.skip("without a constant the sums are taken around the origin, and such a series keeps half of its digits")
    x = EXACT[name]
    model = fit(Given(torch.from_numpy(x)[None, :, None].double()), order, trend)
    theirs = AutoReg(x, order, trend=trend).fit()
    ours = model.forecast({"x": torch.from_numpy(x)[None, :, None]}, 10)
    far = 1 + np.abs(x).max()
    assert np.abs(ours.mean[0, :, 0].numpy() - theirs.forecast(10)).max() < 1e-8 * far
    # to half of float64's digits: both are the root of a difference of squares
    assert abs(float(model.variance.sqrt()) - np.sqrt(theirs.sigma2)) < 1e-6 * far
    drawn = model.impute({"x": torch.from_numpy(x)[None, :, None]}, torch.rand(1, 60, 1) > 0.3, noise(1))
    assert bool(drawn.isfinite().all())


def test_an_exact_series_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    fit(Given(torch.full((1, 60, 1), 5.0, dtype=torch.float64)), 3)
    assert "the variance is 0" in capsys.readouterr().err
    fit(Given(passengers()[None]), 3)
    assert capsys.readouterr().err == ""


def test_a_series_far_from_the_origin_loses_no_digits() -> None:
    """AR(1) on a walk near 1e8: against the fit of the same walk moved to the origin."""
    walk = np.cumsum(np.random.default_rng(0).normal(size=400))
    here, far = (fit(Given(torch.from_numpy(at + walk)[None, :, None]), 1) for at in (0.0, 1e8))
    assert abs(float(here.coefficients) - float(far.coefficients)) < 1e-6
    assert abs(float(here.variance) / float(far.variance) - 1) < 1e-6


def test_a_history_that_is_too_short_is_refused() -> None:
    model = fit(Given(passengers()[None]), 12)
    with pytest.raises(UsageError, match="order 12"):
        model.forecast({"x": passengers()[None], "length": torch.tensor([7])}, 3)
