"""Kernel density estimates against scipy, and against formulas written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp
from torch import Tensor

from gentk.errors import UsageError
from gentk.host.lookup import build_model
from gentk.noise import Philox
from gentk.protocols import DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training import Trainer
from gentk_classical.kde import KDE
from plugins.classical.tests.ranked import Cloud

DATA = Cloud(400)
BATCH = DATA.batch(range(400))
X = BATCH["x"].double().numpy()
FRESH = Cloud(200, seed=0).batch(range(150))["x"] + 0.1
NOISE = Philox(0, range(150))


def fitted(batch: dict[str, Tensor] = BATCH, data: DataSpec = DATA.spec, **config: Any) -> KDE:
    model: KDE = build_model("classical", "kde", {"points": len(batch["x"]), **config}, data)
    model.start(batch)
    return model


@pytest.mark.parametrize("bandwidth", ["scott", "silverman", 0.17])
def test_densities_are_scipys(bandwidth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = stats.gaussian_kde(X.T, bw_method=bandwidth)
    model = fitted(bandwidth=bandwidth)
    found = model.log_prob({"x": FRESH}, NOISE)
    assert float(model.bandwidth) == pytest.approx(peer.factor, rel=1e-12)
    assert np.abs(found.numpy() - peer.logpdf(FRESH.double().numpy().T)).max() <= 1e-9
    monkeypatch.setattr("gentk_classical.kde.TABLE", 1000)
    assert torch.allclose(model.log_prob({"x": FRESH}, NOISE), found, atol=1e-12)


def test_far_from_the_origin_they_still_are() -> None:
    far = X + 5000
    peer = stats.gaussian_kde(torch.from_numpy(far).float().double().numpy().T)
    at = torch.from_numpy(far[:50] + 0.1)
    found = fitted({"x": torch.from_numpy(far)}).log_prob({"x": at}, NOISE)
    assert np.abs(found.numpy() - peer.logpdf(at.numpy().T)).max() <= 1e-6


def test_balls_have_the_datas_mean_variance() -> None:
    model = fitted(covariance="isotropic", bandwidth=0.3)
    deviation = 0.3 * np.sqrt(X.var(0, ddof=1).mean())
    each = stats.norm(X[None], deviation).logpdf(FRESH.double().numpy()[:, None]).sum(-1)
    assert np.abs(model.log_prob({"x": FRESH}, NOISE).numpy() - (logsumexp(each, 1) - np.log(400))).max() <= 1e-9


def left_out(h: float) -> float:
    """Mean log-likelihood of each example under a scipy estimate of the others, with the covariance of all."""
    root = np.linalg.cholesky(np.linalg.inv(np.cov(X.T)))
    white = X @ root / h
    square = ((white[:, None] - white[None]) ** 2).sum(-1)
    np.fill_diagonal(square, np.inf)
    constant = np.log(np.diag(root)).sum() - 3 * np.log(h) - 1.5 * np.log(2 * np.pi) - np.log(399)
    return float((logsumexp(-0.5 * square, 1) + constant).mean())


def test_cross_validation_takes_the_bandwidth_that_predicts_best() -> None:
    model = fitted(bandwidth="cv")
    chosen = float(model.bandwidth)
    told = model.update(model.statistics(BATCH))
    assert told["log_likelihood"] == pytest.approx(left_out(chosen), abs=1e-9)
    for near in (0.8, 0.88, 1.13, 1.25):
        assert left_out(chosen) >= left_out(near * chosen)
    scott = fitted()
    assert told["log_likelihood"] > scott.update(scott.statistics(BATCH))["log_likelihood"]


def test_draws_have_the_moments_of_the_estimate() -> None:
    model, n = fitted(bandwidth=0.5), 20_000
    drawn = model.draw(n, Philox(0, range(n)), {}).double().numpy()
    wanted = np.cov(X.T, bias=True) + 0.25 * np.cov(X.T)
    assert (np.abs(drawn.mean(0) - X.mean(0)) < 4.5 * np.sqrt(np.diag(wanted) / n)).all()
    assert np.abs(np.cov(drawn.T) - wanted).max() < 0.05 * np.abs(wanted).max()


@pytest.mark.parametrize("covariance", ["full", "isotropic"])
def test_what_is_missing_is_drawn_from_its_exact_law(covariance: str) -> None:
    """Weights by the known numbers' kernels, and around each point its conditional Gaussian."""
    model, n = fitted(bandwidth=0.4, covariance=covariance), 20_000
    spread = 0.16 * (np.cov(X.T) if covariance == "full" else np.eye(3) * X.var(0, ddof=1).mean())
    x, a, b = BATCH["x"][5], [0, 2], [1]
    gain = spread[np.ix_(b, a)] @ np.linalg.inv(spread[np.ix_(a, a)])
    logs = stats.multivariate_normal(np.zeros(2), spread[np.ix_(a, a)]).logpdf(x.double().numpy()[a] - X[:, a])
    weight = np.exp(logs - logsumexp(logs))
    middle = X[:, b] + (x.double().numpy()[a] - X[:, a]) @ gain.T
    mean = float(weight @ middle[:, 0])
    variance = float((spread[np.ix_(b, b)] - gain @ spread[np.ix_(a, b)])[0, 0] + weight @ (middle[:, 0] - mean) ** 2)
    known = torch.tensor([True, False, True])
    filled = model.impute({"x": x.expand(n, 3)}, known.expand(n, 3), Philox(0, range(n)))
    assert torch.equal(filled[:, known], x[known].expand(n, 2))
    assert float(filled[:, 1].double().mean()) == pytest.approx(mean, abs=4.5 * (variance / n) ** 0.5)
    assert float(filled[:, 1].double().var()) == pytest.approx(variance, rel=0.06)


def test_every_row_has_its_own_mask() -> None:
    model, x = fitted(), BATCH["x"][:80]
    known = torch.rand(80, 3, generator=torch.Generator().manual_seed(0)) < 0.5
    known[0], known[1] = True, False
    hidden = x.masked_fill(~known, float("nan"))
    filled = model.impute({"x": hidden}, known, Philox(0, range(80)))
    assert torch.equal(filled[known], x[known]) and torch.equal(filled, model.impute({"x": x}, known, Philox(0, range(80))))
    alone = [model.impute({"x": hidden[i : i + 1]}, known[i : i + 1], Philox(0, [i])) for i in range(10)]
    assert torch.allclose(torch.cat(alone), filled[:10], atol=1e-5)


def test_it_keeps_as_many_points_as_it_is_told_or_as_there_are() -> None:
    for points, kept in ((100, 100), (1000, 400)):
        model: KDE = build_model("classical", "kde", {"points": points}, DATA.spec)
        (last,) = Trainer(model, DATA, TrainingPart(evaluate_every=0)).rounds()
        assert int(model.count) == kept and last.logs["points"] == kept and model.facts()["points"] == kept
        rows = {tuple(row) for row in model.kept.tolist()}
        assert len(rows) == kept and rows <= {tuple(row) for row in X.tolist()}


def test_of_levels_it_gives_a_bound_and_draws_levels() -> None:
    x = (torch.randn(200, 4, generator=torch.Generator().manual_seed(0))).round().clamp(-2, 2).view(200, 1, 2, 2) / 2
    x[:, 0, 0, 0] = -1  # a pixel that never changes
    data = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 2, 2), range=(-1, 1), levels=5)})
    model = fitted({"x": x}, data)
    assert model.likelihood == "bound"
    assert float(model.log_prob({"x": x}, Philox(0, range(200))).mean()) < 0
    told = model.update(model.statistics({"x": x}))["log_likelihood"]
    model.volume = 0.0
    assert told == pytest.approx(model.update(model.statistics({"x": x}))["log_likelihood"] + 4 * np.log(0.5), abs=1e-12)
    drawn = model.draw(300, Philox(0, range(300)), {})
    assert drawn.shape == (300, 1, 2, 2) and set(drawn.flatten().tolist()) == {-1.0, -0.5, 0.0, 0.5, 1.0}


def test_what_does_not_fit_is_said_in_one_line() -> None:
    x = torch.stack([torch.randn(50), torch.full((50,), 2.0)], 1)
    data = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})
    with pytest.raises(UsageError, match="isotropic"):
        fitted({"x": x}, data)
    assert bool(fitted({"x": x}, data, covariance="isotropic").log_prob({"x": x}, NOISE).isfinite().all())
    with pytest.raises(UsageError, match="two examples"):
        build_model("classical", "kde", {}, data).start({"x": x[:1]})
    with pytest.raises(UsageError, match="real numbers"):
        build_model("classical", "kde", {}, DataSpec(modality="text", leaves={"x": Leaf(shape=(2,), classes=9)}))
