"""Naive Bayes against scikit-learn, and the masses of levels against scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from torch import Tensor

import gentk
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.host.lookup import build_model
from gentk.inference.classification import classify
from gentk.inference.imputation import impute
from gentk.noise import Philox
from gentk.protocols import DataSpec, Leaf
from gentk_classical.naive_bayes import NaiveBayes
from gentk_classical.quantised import Bins
from plugins.classical.tests.ranked import Cloud

DATA = Cloud(1200)
BATCH = DATA.batch(range(1200))
X, LABEL = BATCH["x"].double().numpy(), BATCH["label"].numpy()
NOISE = Philox(0, range(1200))


def fitted(batch: dict[str, Tensor] = BATCH, data: DataSpec = DATA.spec, **config: Any) -> tuple[NaiveBayes, dict[str, float]]:
    model: NaiveBayes = build_model("classical", "naive-bayes", config, data)
    model.start({key: value[:100] for key, value in batch.items()})
    return model, model.update(model.statistics(batch))


def binary(seed: int = 0, n: int = 800, d: int = 12) -> tuple[dict[str, Tensor], DataSpec]:
    """x in {-1, 1} with chances that depend on the class; one number is always 1."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(3, (n,), generator=generator)
    chance = torch.rand(3, d, generator=generator)
    chance[:, 0] = 1
    x = 2 * (torch.rand(n, d, generator=generator) < chance[label]).float() - 1
    spec = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 3, 4), range=(-1, 1), levels=2)}, conditions={"label": Leaf(classes=3)})
    return {"x": x.view(n, 1, 3, 4), "label": label}, spec


# ---- against scikit-learn
@pytest.mark.parametrize("smoothing", [1e-9, 0.1])
@pytest.mark.parametrize("offset", [0.0, 500.0])
def test_gaussians_are_scikit_learns(smoothing: float, offset: float) -> None:
    batch = {**BATCH, "x": (BATCH["x"].double() + offset)}
    x = batch["x"].numpy()
    model, told = fitted(batch, var_smoothing=smoothing)
    peer = GaussianNB(var_smoothing=smoothing).fit(x, LABEL)
    assert np.abs(model.class_share.numpy() - peer.class_prior_).max() <= 1e-12
    assert np.abs(model.means.numpy() - peer.theta_).max() <= 1e-10
    assert np.abs(model.variances.numpy() - peer.var_).max() <= 1e-10
    joint = model.log_joint(batch)
    assert np.abs(joint.numpy() - peer.predict_joint_log_proba(x)).max() <= 1e-6
    assert np.abs((joint - joint.logsumexp(1, keepdim=True)).numpy() - peer.predict_log_proba(x)).max() <= 1e-6
    assert np.allclose(model.log_prob({"x": batch["x"]}, NOISE), joint.logsumexp(1))
    assert told["log_likelihood"] == pytest.approx(float(model.log_prob(batch, NOISE).mean()), abs=1e-9)


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_bernoullis_are_scikit_learns(alpha: float) -> None:
    batch, data = binary()
    x = batch["x"].flatten(1).numpy()
    model, told = fitted(batch, data, likelihood="bernoulli", alpha=alpha)
    peer = BernoulliNB(alpha=alpha, binarize=0.0).fit(x, batch["label"].numpy())
    assert np.abs(model.means.log().numpy() - peer.feature_log_prob_).max() <= 1e-12
    joint = model.log_joint(batch)
    assert np.abs(joint.numpy() - peer.predict_joint_log_proba(x)).max() <= 1e-9
    assert np.abs((joint - joint.logsumexp(1, keepdim=True)).numpy() - peer.predict_log_proba(x)).max() <= 1e-9
    assert told["log_likelihood"] == pytest.approx(float(model.log_prob(batch, NOISE).mean()), abs=1e-9)


def test_bayes_rule_from_outside_is_the_models_own_posterior() -> None:
    data = DATA.spec.model_copy(update={"frequencies": {"label": (np.bincount(LABEL) / len(LABEL)).tolist()}})
    model, _ = fitted(data=data)
    joint = model.log_joint(BATCH)
    assert torch.allclose(classify(model, BATCH), joint - joint.logsumexp(1, keepdim=True), atol=1e-9)


# ---- levels
def test_masses_of_levels_are_scipys_and_sum_to_one() -> None:
    bins = Bins(-1.0, 1.0, 9)
    levels = torch.linspace(-1, 1, 9, dtype=torch.float64)
    for mean, deviation in ((0.1, 0.5), (-3.0, 0.7), (0.9, 0.01), (0.0, 30.0)):
        found = bins.log_mass(levels, torch.tensor(mean, dtype=torch.float64), torch.tensor(deviation, dtype=torch.float64))
        assert float(found.exp().sum()) == pytest.approx(1, abs=1e-12)
        edges = np.concatenate([[-np.inf], levels.numpy()[:-1] + 0.125, [np.inf]])
        law = stats.norm(mean, deviation)
        for i in range(9):
            sides = (law.sf(edges[i]) - law.sf(edges[i + 1]), law.cdf(edges[i + 1]) - law.cdf(edges[i]))
            exact = sides[0] if edges[i] > mean else sides[1]
            if exact > 1e-300:
                assert float(found[i]) == pytest.approx(np.log(exact), rel=1e-8, abs=1e-12)


def test_masses_far_from_the_mean_stay_numbers() -> None:
    """log Φ of −10⁵ by its leading term, −z²/2; on both sides alike."""
    bins, zero = Bins(-1.0, 1.0, 5), torch.zeros((), dtype=torch.float64)
    low, high = (bins.log_mass(torch.tensor(x, dtype=torch.float64), zero, zero + 1e-6) for x in (-0.5, 0.5))
    assert float(low) == float(high) == pytest.approx(-0.5 * (0.25 / 1e-6) ** 2, rel=1e-6)


def test_draws_of_levels_come_as_often_as_their_mass_says() -> None:
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(500, 2, generator=generator)).round().clamp(-2, 2) / 2
    data = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,), range=(-1, 1), levels=5)}, conditions={"label": Leaf(classes=2)})
    model, told = fitted({"x": x, "label": torch.randint(2, (500,), generator=generator)}, data)
    assert told == {}
    n = 20_000
    drawn = model.draw(n, Philox(0, range(n)), {"label": torch.ones(n, dtype=torch.int64)})
    for level in (-1, -0.5, 0, 0.5, 1):
        mass = model.each(torch.full((1, 2), level, dtype=torch.float64))[0, 1].exp()
        assert torch.allclose((drawn == level).double().mean(0), mass, atol=4.5 * 0.5 / n**0.5)


# ---- draws and conditionals
def test_draws_have_the_moments_of_their_class() -> None:
    model, _ = fitted()
    n = 20_000
    for c in range(4):
        drawn = model.draw(n, Philox(c, range(n)), {"label": torch.full((n,), c)}).double()
        assert bool(((drawn.mean(0) - model.means[c]).abs() < 4.5 * (model.variances[c] / n).sqrt()).all())
        assert torch.allclose(torch.cov(drawn.T), torch.diag(model.variances[c]), atol=0.05 * float(model.variances[c].max()))
    drawn = model.draw(n, Philox(9, range(n)), {}).double()
    assert torch.allclose(drawn.mean(0), torch.from_numpy(X.mean(0)), atol=4.5 * float(X.std()) / n**0.5)
    batch, data = binary()
    model, _ = fitted(batch, data, likelihood="bernoulli")
    drawn = model.draw(n, Philox(0, range(n)), {"label": torch.full((n,), 2)})
    assert set(drawn.flatten().tolist()) == {-1.0, 1.0}
    assert torch.allclose((drawn > 0).double().mean(0).flatten(), model.means[2], atol=4.5 * 0.5 / n**0.5)


def test_what_is_missing_follows_the_classes_that_the_known_numbers_suggest() -> None:
    model, n = fitted()[0], 20_000
    x = BATCH["x"][3]
    known = torch.tensor([True, False, True])
    law = stats.norm(model.means.numpy(), model.variances.sqrt().numpy())
    log_posterior = law.logpdf(x.double().numpy())[:, [0, 2]].sum(1) + np.log(model.class_share.numpy())
    posterior = np.exp(log_posterior - log_posterior.max())
    posterior /= posterior.sum()
    assert posterior.max() < 0.999
    mean = posterior @ model.means[:, 1].numpy()
    variance = posterior @ (model.variances[:, 1].numpy() + model.means[:, 1].numpy() ** 2) - mean**2
    filled = model.impute({"x": x.expand(n, 3)}, known.expand(n, 3), Philox(0, range(n)))
    assert torch.equal(filled[:, known], x[known].expand(n, 2))
    assert float(filled[:, 1].mean()) == pytest.approx(mean, abs=4.5 * (variance / n) ** 0.5)
    assert float(filled[:, 1].var()) == pytest.approx(variance, rel=0.06)
    given = model.impute({"x": x.expand(n, 3), "label": torch.full((n,), 2)}, known.expand(n, 3), Philox(0, range(n)))
    assert float(given[:, 1].double().mean()) == pytest.approx(float(model.means[2, 1]), abs=4.5 * float(model.variances[2, 1] / n) ** 0.5)


def test_missing_numbers_may_be_anything_and_rows_are_their_own() -> None:
    for model, batch in ((fitted()[0], BATCH), (fitted(*binary(), likelihood="bernoulli")[0], binary()[0])):
        x = batch["x"][:60]
        known = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.5
        hidden = {"x": x.masked_fill(~known, float("nan"))}
        filled = model.impute(hidden, known, Philox(0, range(60)))
        assert torch.equal(filled[known], x[known]) and torch.equal(filled, model.impute({"x": x}, known, Philox(0, range(60))))
        assert torch.equal(filled, impute(model, hidden, known, batch_size=7))


# ---- edges
def test_a_class_without_examples_has_no_share_and_no_nan() -> None:
    data = DATA.spec.model_copy(update={"conditions": {"label": Leaf(classes=6)}})
    model, told = fitted(data=data)
    assert model.class_share[4:].tolist() == [0, 0] and np.isfinite(told["log_likelihood"])
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())
    assert torch.allclose(model.means[5], torch.from_numpy(X.mean(0)), atol=1e-10)
    assert torch.allclose(model.variances[5], torch.from_numpy(X.var(0)), atol=1e-6)
    assert torch.allclose(model.log_prob({"x": BATCH["x"]}, NOISE), fitted()[0].log_prob({"x": BATCH["x"]}, NOISE), atol=1e-9)


def test_tables_in_chunks_are_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = fitted()
    whole = model.log_joint(BATCH)
    monkeypatch.setattr("gentk_classical.naive_bayes.TABLE", 100)
    assert torch.equal(model.log_joint(BATCH), whole)


def test_what_does_not_fit_is_said_in_one_line() -> None:
    x = Leaf(shape=(3,))
    labels = {"label": Leaf(classes=4)}
    for leaves, conditions, config, words in (
        ({"x": x}, {}, {}, "labels"),
        ({"x": x}, labels, {"likelihood": "bernoulli"}, "two levels"),
        ({"x": Leaf(shape=(3,), classes=3)}, labels, {}, "real numbers"),
    ):
        with pytest.raises(UsageError, match=words):
            build_model("classical", "naive-bayes", config, DataSpec(modality="points", leaves=leaves, conditions=conditions))


def test_the_shipped_digits() -> None:
    """Accuracy by Bayes' rule on the test split, as the README says."""
    model, data = gentk.load("classical/naive-bayes"), lookup.dataset("digits", "test")
    batch = data.batch(range(len(data)))
    right = classify(model, batch).argmax(1) == batch["label"]
    assert float(right.double().mean()) == pytest.approx(0.933, abs=0.003)
    assert model.facts()["class_share"]["3"] == pytest.approx(data.spec.frequencies["label"][3], abs=1e-9)
