"""The mixture of Gaussians against scikit-learn, against formulas written out, and by its own promises."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

import gentk
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.host.lookup import build_model
from gentk.inference.imputation import impute
from gentk.noise import Philox
from gentk.protocols import DataSpec, Leaf
from gentk_classical.mixture import GMM
from plugins.classical.tests.ranked import Cloud

COVARIANCES = ["full", "diag", "spherical"]
DATA = Cloud(1500)
BATCH = DATA.batch(range(1500))


def mixture(data: DataSpec = DATA.spec, **config: Any) -> GMM:
    made: GMM = build_model("classical", "gmm", {"components": 4, "n_init": 1, **config}, data)
    return made


def started(batch: dict[str, Tensor] = BATCH, data: DataSpec = DATA.spec, *, seed: int = 0, steps: int = 0, **config: Any) -> GMM:
    torch.manual_seed(seed)
    model = mixture(data, **config)
    model.start(batch)
    for _ in range(steps):
        step(model, batch)
    return model


def step(model: GMM, batch: dict[str, Tensor] = BATCH) -> dict[str, float]:
    return model.update(model.statistics(batch))


def matrices(model: GMM) -> np.ndarray[Any, Any]:
    """Every component's covariance, (C·K, d, d)."""
    d = model.means.shape[-1]
    found = model.covariances.flatten(0, 1).numpy()
    if model.config.covariance == "full":
        return found
    return np.stack([np.diag(np.broadcast_to(v, d)) for v in found])


def log_joint(model: GMM, x: Tensor) -> np.ndarray[Any, Any]:
    """log π_k N(x; μ_k, Σ_k) by scipy, (n, C·K), the classes' shares included."""
    weights = (model.class_share[:, None] * model.weights).flatten()
    means = model.means.flatten(0, 1)
    laws = [stats.multivariate_normal(m.numpy(), s, allow_singular=True) for m, s in zip(means, matrices(model), strict=True)]
    return np.stack([law.logpdf(x.double().numpy()) + np.log(w) for law, w in zip(laws, weights.numpy(), strict=True)], 1)


# ---- against scikit-learn
@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("steps", [0, 3])
def test_likelihood_and_one_step_are_scikit_learns(covariance: Any, steps: int) -> None:
    model, x = started(covariance=covariance, steps=steps), BATCH["x"].double().numpy()
    inverse = torch.linalg.inv(model.covariances[0]) if covariance == "full" else 1 / model.covariances[0]
    begin = {"weights_init": model.weights[0].numpy(), "means_init": model.means[0].numpy(), "precisions_init": inverse.numpy()}
    peer = GaussianMixture(4, covariance_type=covariance, max_iter=1, tol=0.0, **begin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer.fit(x)
    assert step(model)["log_likelihood"] == pytest.approx(peer.lower_bound_, abs=1e-10)
    assert np.abs(model.weights[0].numpy() - peer.weights_).max() <= 1e-10
    assert np.abs(model.means[0].numpy() - peer.means_).max() <= 1e-10
    assert np.abs(model.covariances[0].numpy() - peer.covariances_).max() <= 1e-10
    assert np.abs(model.log_prob(BATCH, Philox(0, range(1500))).numpy() - peer.score_samples(x)).max() <= 1e-9


# ---- expectation and maximisation
@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("estimate", ["ml", "map"])
def test_no_step_makes_it_worse(covariance: str, seed: int, estimate: str) -> None:
    """The likelihood, or with a prior the posterior. Without a floor, which is no part of either."""
    batch = Cloud(400, seed=seed).batch(range(400))
    model = started(batch, covariance=covariance, seed=seed, estimate=estimate, components=5, covariance_floor=0.0)
    told = [step(model, batch)["log_posterior" if estimate == "map" else "log_likelihood"] for _ in range(40)]
    assert all(after >= before - 1e-12 for before, after in pairwise(told)) and told[-1] > told[0] + 0.01


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_step_under_a_prior_is_the_closed_form(covariance: str) -> None:
    """Fraley & Raftery 2007, table 3, written out with responsibilities by scipy."""
    alpha, kappa, nu, floor, k, d = 3.0, 0.7, 6.0, 1e-3, 4, 3
    config = {"prior_alpha": alpha, "prior_kappa": kappa, "prior_nu": nu, "covariance_floor": floor}
    model, x = started(covariance=covariance, estimate="map", **config), BATCH["x"].double().numpy()
    centre, whole = x.mean(0), np.cov(x.T, bias=True)
    shape = {"full": whole, "diag": np.diag(whole), "spherical": np.trace(whole) / d}[covariance]
    scale = (shape + floor * (np.eye(d) if covariance == "full" else 1)) / k ** (2 / d)
    joint = log_joint(model, BATCH["x"])
    r = np.exp(joint - logsumexp(joint, 1, keepdims=True))
    step(model)
    for i in range(k):
        n = r[:, i].sum()
        mean = r[:, i] @ x / n
        apart, off = x - mean, mean - centre
        square = (r[:, i, None] * apart).T @ apart + kappa * n / (kappa + n) * np.outer(off, off)
        expected = {
            "full": (scale + square) / (nu + d + 2 + n) + floor * np.eye(d) * (covariance == "full"),
            "diag": (scale + np.diag(square)) / (nu + 3 + n) + floor,
            "spherical": (scale + np.trace(square)) / (nu + 2 + d * (n + 1)) + floor,
        }[covariance]
        assert np.abs(model.covariances[0, i].numpy() - expected).max() <= 1e-10
        assert np.abs(model.means[0, i].numpy() - (n * mean + kappa * centre) / (n + kappa)).max() <= 1e-10
        assert float(model.weights[0, i]) == pytest.approx((n + alpha - 1) / (len(x) + k * (alpha - 1)), abs=1e-12)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("estimate", ["ml", "map"])
def test_a_component_without_examples_stays_a_number(covariance: str, estimate: str) -> None:
    """As good as lost, then lost: the others fit on as if it were not there."""
    model, without = (started(covariance=covariance, estimate=estimate, components=k) for k in (4, 3))
    model.means[0, :3], model.root[0, :3], model.weights[0, :3] = without.means[0], without.root[0], without.weights[0]
    model.means[0, 3] = 1e6
    for _ in range(5):
        told, alone = step(model)["log_likelihood"], step(without)["log_likelihood"]
        assert all(bool(value.isfinite().all()) for value in model.state_dict().values())
    if estimate == "ml":
        assert float(model.weights[0, 3]) == 0 and told == pytest.approx(alone, abs=1e-10)
        assert torch.allclose(model.means[0, :3], without.means[0], atol=1e-9)
        assert bool(model.draw(500, Philox(0, range(500)), {}).abs().max() < 100)
    else:  # back at the prior's mode, where examples can find it again
        assert float(model.weights[0, 3]) > 0 and float(model.means[0, 3].abs().max()) < 100


def test_a_collapse_is_told_in_one_line() -> None:
    """Examples that do not vary in one direction, and no floor under the components."""
    x = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    flat = torch.stack([x[:, 0] + 100, torch.full((60,), 3.0)], 1)
    data = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})
    for covariance in ("full", "diag"):
        with pytest.raises(UsageError, match="raise covariance_floor") as told:
            started({"x": flat}, data, components=2, covariance=covariance, covariance_floor=0.0, steps=5)
        assert "\n" not in str(told.value)
        model = started({"x": x}, data, components=2, covariance=covariance, covariance_floor=0.0)
        sums = {name: torch.zeros_like(value) if name == "second" else value for name, value in model.statistics({"x": x}).items()}
        with pytest.raises(UsageError, match="raise covariance_floor"):
            model.update(sums)
        kept = started({"x": flat}, data, components=2, covariance=covariance, steps=5)
        assert bool(kept.log_prob({"x": flat}, Philox(0, range(60))).isfinite().all())


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_float32_fits_the_same_wherever_the_data_lie(covariance: str, offset: float) -> None:
    batch = {"x": BATCH["x"].double() + offset}
    wide, narrow = (started(batch, covariance=covariance) for _ in range(2))
    narrow.dtype = torch.float32
    for _ in range(10):
        told = [step(model, batch)["log_likelihood"] for model in (wide, narrow)]
    assert told[0] == pytest.approx(told[1], abs=1e-5) and told[0] != told[1]
    assert torch.allclose(wide.covariances, narrow.covariances, rtol=1e-3, atol=1e-4)
    assert torch.allclose(wide.means, narrow.means, atol=1e-3)


def test_of_more_starts_the_best_is_kept() -> None:
    """The first of several starts is that of one, after ten steps."""
    board = lookup.dataset("checkerboard", "train")
    data, worth = board.batch(range(1500)), {}
    for n in (1, 2, 4, 8):
        model = started(data, board.spec, n_init=n, components=5, steps=0 if n > 1 else 10)
        worth[n] = step(model, data)["log_likelihood"]
    assert worth[1] <= worth[2] <= worth[4] <= worth[8] and worth[1] < worth[8] - 1e-3


# ---- classes
def test_a_mixture_per_class_is_a_mixture_of_each_classs_examples() -> None:
    together = started(per_class=True, components=2, steps=4)
    marginal = []
    for c in range(4):
        own = {"x": BATCH["x"][BATCH["label"] == c]}
        alone = mixture(components=2)
        torch.manual_seed(0)
        for name in ("weights", "means", "root"):
            getattr(alone, name).copy_(getattr(together, name)[c : c + 1])
        noise = Philox(0, range(1500))
        label = torch.full((1500,), c)
        assert torch.allclose(together.log_prob({"x": BATCH["x"], "label": label}, noise), alone.log_prob(BATCH, noise), atol=1e-10)
        marginal.append(alone.log_prob(BATCH, noise) + math.log(float((BATCH["label"] == c).double().mean())))
        step(alone, own)
        again = started(per_class=True, components=2, steps=5)
        assert torch.allclose(again.means[c], alone.means[0], atol=1e-10) and torch.allclose(again.root[c], alone.root[0], atol=1e-9)
    whole = together.log_prob({"x": BATCH["x"]}, Philox(0, range(1500)))
    assert torch.allclose(whole, torch.stack(marginal).logsumexp(0), atol=1e-10)


# ---- draws and conditionals
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_draws_have_the_moments_of_the_mixture(covariance: str) -> None:
    model, n = started(covariance=covariance, steps=5, per_class=True, components=2), 20_000
    weights, means = (model.class_share[:, None] * model.weights).flatten().numpy(), model.means.flatten(0, 1).numpy()
    for c, chosen in ((None, slice(None)), (1, slice(2, 4))):
        w, m, s = weights[chosen] / weights[chosen].sum(), means[chosen], matrices(model)[chosen]
        mean = w @ m
        wanted = np.einsum("k,kij->ij", w, s) + np.einsum("k,ki,kj->ij", w, m - mean, m - mean)
        cond = {} if c is None else {"label": torch.full((n,), c)}
        drawn = model.draw(n, Philox(1, range(n)), cond).double().numpy()
        error = np.sqrt(np.diag(wanted) / n)
        assert (np.abs(drawn.mean(0) - mean) < 4.5 * error).all()
        assert np.abs(np.cov(drawn.T) - wanted).max() < 0.05 * np.abs(wanted).max()


def conditional(model: GMM, x: np.ndarray[Any, Any], known: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Mean and covariance of the missing numbers given the known ones of x (d,), by inverting blocks of the covariances."""
    weights, means = (model.class_share[:, None] * model.weights).flatten().numpy(), model.means.flatten(0, 1).numpy()
    logs, middles, spreads = [], [], []
    for w, m, s in zip(weights, means, matrices(model), strict=True):
        aa, ba, bb = s[np.ix_(known, known)], s[np.ix_(~known, known)], s[np.ix_(~known, ~known)]
        gain = ba @ np.linalg.inv(aa)
        logs.append(np.log(w) + stats.multivariate_normal(m[known], aa).logpdf(x[known]))
        middles.append(m[~known] + gain @ (x[known] - m[known]))
        spreads.append(bb - gain @ ba.T)
    r, middle = np.exp(logs - logsumexp(logs)), np.array(middles)
    mean = r @ middle
    return mean, np.einsum("k,kij->ij", r, np.array(spreads)) + np.einsum("k,ki,kj->ij", r, middle - mean, middle - mean)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("known", [[True, False, False], [False, True, False], [True, False, True]])
def test_what_is_missing_is_drawn_from_its_exact_law(covariance: str, known: list[bool]) -> None:
    model, n = started(covariance=covariance, steps=8), 20_000
    x = BATCH["x"][7]
    mean, wanted = conditional(model, x.double().numpy(), np.array(known))
    filled = model.impute({"x": x.expand(n, 3)}, torch.tensor(known).expand(n, 3), Philox(2, range(n)))[:, ~torch.tensor(known)]
    found = filled.double().numpy()
    assert (np.abs(found.mean(0) - mean) < 4.5 * np.sqrt(np.diag(wanted) / n)).all()
    assert np.abs(np.atleast_2d(np.cov(found.T)) - wanted).max() < 0.06 * np.abs(wanted).max()


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_every_row_has_its_own_mask_and_what_is_known_stays(covariance: str) -> None:
    model = started(covariance=covariance, steps=3, per_class=True, components=2)
    known = torch.rand(300, 3, generator=torch.Generator().manual_seed(0)) < 0.5
    known[0], known[1] = True, False
    batch = {key: value[:300] for key, value in BATCH.items()}
    hidden = {**batch, "x": batch["x"].masked_fill(~known, float("nan"))}
    for given in (hidden, {"x": hidden["x"]}):
        filled = model.impute(given, known, Philox(0, range(300)))
        assert torch.equal(filled[known], batch["x"][known]) and filled.dtype == torch.float32
        assert torch.equal(filled, model.impute({**given, "x": batch["x"]}, known, Philox(0, range(300))))  # what is hidden is not seen
        rows = torch.cat([impute(model, {k: v[i : i + 50] for k, v in given.items()}, known[i : i + 50]) for i in (0,)])
        assert torch.allclose(rows, impute(model, given, known, batch_size=7)[:50], atol=1e-6)
    assert torch.equal(model.impute(batch, torch.ones_like(known), Philox(0, range(300))), batch["x"])


def test_the_label_says_which_mixture_fills_in() -> None:
    model = started(per_class=True, components=1, steps=3)
    x, known = BATCH["x"][:1].expand(2000, 3), torch.tensor([True, False, False]).expand(2000, 3)
    for c in range(4):
        filled = model.impute({"x": x, "label": torch.full((2000,), c)}, known, Philox(0, range(2000)))
        alone = mixture(components=1)
        alone.means.copy_(model.means[c : c + 1])
        alone.root.copy_(model.root[c : c + 1])
        mean, spread = conditional(alone, x[0].double().numpy(), np.array([True, False, False]))
        assert (np.abs(filled[:, 1:].double().mean(0).numpy() - mean) < 4.5 * np.sqrt(np.diag(spread) / 2000)).all()


# ---- quantised data
def test_of_levels_it_gives_a_lower_bound_of_a_mass() -> None:
    """One Gaussian, two numbers of five levels: the mass of every level by scipy's cdf."""
    generator = torch.Generator().manual_seed(0)
    x = (1.1 * torch.randn(4000, 2, generator=generator)).round().clamp(-2, 2) / 2
    data = DataSpec(modality="image", leaves={"x": Leaf(shape=(2, 1), range=(-1, 1), levels=5)})
    model = started({"x": x[..., None]}, data, components=1, covariance="diag", steps=1)
    mean, deviation = model.means[0, 0].numpy(), model.covariances[0, 0].sqrt().numpy()
    assert np.allclose(deviation**2, x.double().var(0, correction=0).numpy() + 0.5**2 / 12 + 1e-6, atol=1e-9)
    levels = np.linspace(-1, 1, 5)
    laws = [stats.norm(m, s) for m, s in zip(mean, deviation, strict=True)]
    inner = np.stack([law.cdf(levels + 0.25) - law.cdf(levels - 0.25) for law in laws])
    assert model.likelihood == "bound"
    assert step(model, {"x": x[..., None]})["log_likelihood"] == pytest.approx(
        sum(law.logpdf(x[:, i].numpy()).mean() + np.log(0.5) for i, law in enumerate(laws)), abs=1e-9
    )
    for i in range(5):
        for j in range(5):
            at = torch.tensor([levels[i], levels[j]]).float().view(1, 2, 1).expand(2000, 2, 1)
            told = float(model.log_prob({"x": at}, Philox(0, range(2000))).mean())
            exact = float(np.log(inner[0, i] * inner[1, j]))
            assert exact - 0.35 < told < exact + 0.02
    drawn = model.draw(500, Philox(0, range(500)), {})
    assert drawn.shape == (500, 2, 1) and set(drawn.flatten().tolist()) == set(levels.tolist())


# ---- what it refuses, what it tells
def test_what_does_not_fit_is_said_in_one_line() -> None:
    points = {"x": Leaf(shape=(3,))}
    for leaves, config, words in (
        ({"x": Leaf(shape=(3,), classes=5)}, {}, "real numbers"),
        ({**points, "length": Leaf(classes=4)}, {}, "length"),
        (points, {"per_class": True}, "labels"),
    ):
        with pytest.raises(UsageError, match=words):
            mixture(DataSpec(modality="points", leaves=leaves), **config)
    with pytest.raises(UsageError, match="among 3 points"):
        started({"x": torch.randn(3, 3)})


def test_facts_are_weights_and_few_means() -> None:
    model = started(per_class=True, steps=1)
    told = model.facts()
    assert np.allclose(told["weights"], model.weights) and np.allclose(told["class_share"], BATCH["label"].bincount() / 1500)
    assert np.allclose(told["means"], model.means)
    assert "means" not in started(Cloud(300, d=20).batch(range(300)), Cloud(300, d=20).spec).facts()


def test_the_shipped_moons() -> None:
    """Each class on its own half-moon, and as likely as the README says."""
    model, real = gentk.load("classical/gmm"), lookup.dataset("moons", "test").batch(range(3000))
    assert float(model.log_prob(real, Philox(0, range(3000))).mean()) > -0.84
    drawn = gentk.sample(model, 400, label="0,1")
    nearest = torch.cdist(drawn["x"], real["x"]).argmin(1)
    assert float((real["label"][nearest] == drawn["label"]).double().mean()) >= 0.99
