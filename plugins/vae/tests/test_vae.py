"""The bounds of the VAE, against closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gentk.errors import UsageError
from gentk.noise import Philox
from gentk.protocols import DataSpec, Leaf
from gentk_vae.config import BetaVAEConfig, M2Config, VAEConfig
from gentk_vae.semi import M2
from gentk_vae.vae import CVAE, VAE, BetaVAE, kl

REAL = DataSpec(modality="points", leaves={"x": Leaf(shape=(3,))})
LABELLED = REAL.model_copy(update={"conditions": {"label": Leaf(classes=4)}, "frequencies": {"label": [0.1, 0.2, 0.3, 0.4]}})
SMALL: dict[str, Any] = {"net": "dense", "widths": (16,), "latent": 2, "likelihood": "gaussian", "sigma": 0.5}


class Fixed(nn.Module):
    """A net whose answer is a linear map of its input, W x + b."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        return x @ self.weight.T + self.bias


class Reshaped(Fixed):
    def forward(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        return super().forward(x)[:, None]


def probabilistic_pca(slack: float = 0.0) -> tuple[VAE, torch.distributions.MultivariateNormal]:
    """A VAE whose law is known: x = W z + b + σ ε. Its encoder is the exact posterior, widened by `slack` in log variance."""
    model = VAE(VAEConfig(**SMALL), REAL).double()
    w = torch.tensor([[1.0, 0.3], [-0.4, 0.8], [0.2, 0.1]], dtype=torch.float64)
    b = torch.tensor([0.5, -1.0, 0.2], dtype=torch.float64)
    # q(z | x) is diagonal, so W is turned until the posterior is.
    _, turn = torch.linalg.eigh(w.T @ w)
    w = w @ turn
    precision = torch.eye(2, dtype=torch.float64) + w.T @ w / 0.25
    to_mean = torch.linalg.solve(precision, w.T / 0.25)
    log_var = -precision.diagonal().log() + slack
    model.encoder = Fixed(torch.cat([to_mean, torch.zeros_like(to_mean)]), torch.cat([-to_mean @ b, log_var]))  # type: ignore[assignment]
    model.decoder = Reshaped(w, b)  # type: ignore[assignment]
    return model, torch.distributions.MultivariateNormal(b, w @ w.T + 0.25 * torch.eye(3, dtype=torch.float64))


def noise(n: int, seed: int = 0) -> Philox:
    return Philox(seed, range(n), dtype=torch.float64)


@pytest.mark.parametrize("samples", [1, 7])
def test_with_the_exact_posterior_the_bound_is_the_likelihood(samples: int) -> None:
    model, law = probabilistic_pca()
    x = law.sample((50,))
    torch.testing.assert_close(model.log_prob({"x": x}, noise(50), samples=samples), law.log_prob(x), rtol=0, atol=1e-5)


def test_with_another_posterior_more_samples_come_closer_from_below() -> None:
    model, law = probabilistic_pca(slack=0.7)
    x = law.sample((4000,))
    gaps = [float((law.log_prob(x) - model.log_prob({"x": x}, noise(4000), samples=k)).mean()) for k in (1, 2, 4)]
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0.02, gaps
    mean, log_var = model.posterior({"x": x})
    exact_kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * log_var).exp()), torch.distributions.Normal(mean, (0.5 * (log_var - 0.7)).exp())
    )
    assert gaps[0] == pytest.approx(float(exact_kl.sum(1).mean()), rel=0.15)  # log p(x) − ELBO = KL(q ‖ p(z | x))


def test_rate_is_the_divergence_and_distortion_is_on_average_that_of_the_posterior() -> None:
    """−E log p(x | z) for z ~ N(μ, S): 3/2 log 2πσ² + (|x − Wμ − b|² + tr W S Wᵀ) / 2σ²."""
    torch.manual_seed(0)
    model, law = probabilistic_pca(slack=0.7)
    x, n = law.sample(), 40_000
    mean, log_var = (part[0] for part in model.posterior({"x": x[None]}))
    rate, distortion = model.rate_distortion({"x": x.expand(n, 3)}, noise(n))
    normal = torch.distributions.Normal
    exact = torch.distributions.kl_divergence(normal(mean, (0.5 * log_var).exp()), normal(torch.zeros_like(mean), 1.0)).sum()
    torch.testing.assert_close(rate, exact.expand(n), rtol=0, atol=1e-6)  # no draw is in it
    w, b = model.decoder.weight, model.decoder.bias
    square = (x - w @ mean - b).square().sum() + (w.square() * log_var.exp()).sum()
    wanted = float(1.5 * math.log(2 * math.pi * 0.25) + square / 0.5)
    assert abs(float(distortion.mean()) - wanted) < 5 * float(distortion.std()) / n**0.5 < 0.1


def test_rate_and_distortion_are_minus_the_elbo_and_with_the_exact_posterior_the_evidence() -> None:
    torch.manual_seed(0)
    for slack in (0.7, 0.0):
        model, law = probabilistic_pca(slack)
        x = law.sample((40_000,))
        rate, distortion = model.rate_distortion({"x": x}, noise(40_000))
        elbo = model.log_prob({"x": x}, noise(40_000, seed=1), samples=1) if slack else law.log_prob(x)
        off = rate + distortion + elbo
        assert abs(float(off.mean())) < 5 * float(off.std()) / 200 < 0.06


def test_rate_and_distortion_do_not_depend_on_what_the_kl_costs_in_training() -> None:
    model, law = probabilistic_pca(slack=0.7)
    x = law.sample((100,))
    found = []
    for config in (VAEConfig(**SMALL), VAEConfig(**SMALL, beta=4.0, warmup=9, free_bits=3.0), VAEConfig(**SMALL, importance=8)):
        model.config = config
        found.append(torch.stack(model.rate_distortion({"x": x}, noise(100))))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_the_loss_is_the_negative_elbo_and_its_parts_add_up() -> None:
    model, law = probabilistic_pca(slack=0.5)
    x = law.sample((40_000,))
    out = model.loss({"x": x}, "main", 0)
    elbo = model.log_prob({"x": x}, noise(40_000), samples=1).mean()
    assert float(out["loss"]) == pytest.approx(-float(elbo), abs=0.03)
    assert float(out["nelbo"]) == pytest.approx(float(out["reconstruction"] + out["kl"]))
    assert float(out["kl_share"]) == pytest.approx(float(out["kl"] / out["nelbo"]))


def test_the_importance_loss_is_the_bound_of_as_many_samples() -> None:
    model, law = probabilistic_pca(slack=0.7)
    model.config = VAEConfig(**SMALL, importance=8)
    x = law.sample((20_000,))
    bound = model.log_prob({"x": x}, noise(20_000), samples=8).mean()
    assert float(model.loss({"x": x}, "main", 0)["loss"]) == pytest.approx(-float(bound), abs=0.02)


def test_kl_is_that_of_torch() -> None:
    mean, log_var = torch.randn(6, 3).double(), torch.randn(6, 3).double()
    normal = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(normal(mean, (0.5 * log_var).exp()), normal(0.0, 1.0))
    torch.testing.assert_close(kl(mean, log_var), wanted, rtol=1e-6, atol=1e-9)


def test_beta_warmup_and_free_bits_are_three_things() -> None:
    x = torch.randn(64, 3)

    def parts(config: VAEConfig, step: int = 0) -> tuple[float, float, float]:
        torch.manual_seed(0)
        model = VAE(config, REAL)
        torch.manual_seed(1)
        out = model.loss({"x": x}, "main", step)
        return out["loss"].item(), out["reconstruction"].item(), out["kl"].item()

    loss, reconstruction, divergence = parts(VAEConfig(**SMALL))
    assert loss == pytest.approx(reconstruction + divergence, rel=1e-6)
    assert parts(VAEConfig(**SMALL, beta=3.0))[0] == pytest.approx(reconstruction + 3 * divergence, rel=1e-6)
    for step, share in ((0, 0.1), (4, 0.5), (9, 1.0), (50, 1.0)):
        assert parts(VAEConfig(**SMALL, warmup=10), step)[0] == pytest.approx(reconstruction + share * divergence, rel=1e-6)
    # Far above what it uses, each latent is charged the free nats and no gradient reaches it.
    assert parts(VAEConfig(**SMALL, free_bits=50.0))[0] == pytest.approx(reconstruction + 2 * 50, rel=1e-6)
    assert BetaVAE(BetaVAEConfig(**SMALL), REAL).config.beta == 4


def test_the_bound_does_not_depend_on_the_batch() -> None:
    import gentk

    model = VAE(VAEConfig(**SMALL), REAL)
    x = torch.randn(20, 3)
    whole, parts = (gentk.log_prob(model, {"x": x}, batch_size=size, samples=300) for size in (20, 7))
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-5)


def test_draws_are_of_the_model_and_the_prior_sampler_gives_their_means() -> None:
    import gentk

    model, law = probabilistic_pca()
    drawn = gentk.sample(model, 20_000, sampler=gentk.sampler("direct"))["x"].double()
    means = gentk.sample(model, 20_000)["x"].double()
    torch.testing.assert_close(drawn.T.cov(), law.covariance_matrix, rtol=0, atol=0.05)
    torch.testing.assert_close(means.T.cov(), law.covariance_matrix - 0.25 * torch.eye(3), rtol=0, atol=0.05)


# ---- by class
def test_a_label_as_a_share_of_one_is_that_label() -> None:
    model = CVAE(VAEConfig(**SMALL), LABELLED)
    z, label = torch.randn(6, 2), torch.tensor([0, 1, 2, 3, 3, 0])
    shares = torch.eye(4)[label]
    torch.testing.assert_close(model.decode(z, {"label": label}), model.decode(z, {"label": shares}))
    assert (model.decode(z, {"label": label}) - model.decode(z, {"label": (label + 1) % 4})).abs().min() > 0
    with pytest.raises(UsageError, match="labels"):
        CVAE(VAEConfig(**SMALL), REAL)


class Posterior(nn.Module):
    """Answers with given logits."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        return self.logits


def m2() -> M2:
    torch.manual_seed(0)
    return M2(M2Config(**SMALL, classifier=0.0), LABELLED)


def seeded(model: M2, x: Tensor, label: Tensor) -> Any:
    torch.manual_seed(5)
    return model.loss({"x": x, "label": label}, "main", 0)


def costs_of(model: M2, x: Tensor) -> Tensor:
    torch.manual_seed(5)
    return model.costs(x)[0]


def test_a_labelled_example_costs_what_its_class_costs_and_the_class_itself() -> None:
    model, x, label = m2(), torch.randn(8, 3), torch.tensor([0, 1, 2, 3] * 2)
    costs = costs_of(model, x)
    assert float(seeded(model, x, label)["loss"]) == pytest.approx(float(costs.gather(1, label[:, None]).mean()), rel=1e-6)
    cheap = M2(M2Config(**SMALL, classifier=0.0), LABELLED.model_copy(update={"frequencies": {"label": [0.97, 0.01, 0.01, 0.01]}}))
    cheap.load_state_dict(model.state_dict())
    shift = (costs_of(cheap, x) - costs).mean(0)
    wanted = torch.tensor([0.1, 0.2, 0.3, 0.4]).log() - torch.tensor([0.97, 0.01, 0.01, 0.01]).log()
    torch.testing.assert_close(shift, wanted, rtol=0, atol=1e-4)


def test_an_unlabelled_example_costs_most_evidence_under_the_exact_posterior() -> None:
    """Σ q L − H(q) is least, −log Σ exp(−L), where q is the softmax of −L; any other q costs more."""
    model, x = m2(), torch.randn(8, 3)
    unknown = torch.full((8,), 4)
    costs = costs_of(model, x).detach()
    model.classifier = Posterior(-costs)  # type: ignore[assignment]
    best = float(seeded(model, x, unknown)["loss"])
    assert best == pytest.approx(float(-(-costs).logsumexp(1).mean()), rel=1e-5)
    model.classifier = Posterior(-costs + torch.randn(8, 4))  # type: ignore[assignment]
    assert float(seeded(model, x, unknown)["loss"]) > best + 0.05


def test_only_labelled_examples_train_the_classifier_directly() -> None:
    model, x = m2(), torch.randn(8, 3)
    model.config = M2Config(**SMALL, classifier=7.0)
    label = torch.tensor([0, 1, 4, 4, 4, 4, 4, 4])
    with_it = float(seeded(model, x, label)["loss"])
    model.config = M2Config(**SMALL, classifier=0.0)
    without = float(seeded(model, x, label)["loss"])
    log_q = model.classifier(x).log_softmax(1)
    assert with_it - without == pytest.approx(float(-7 * (log_q[0, 0] + log_q[1, 1]) / 8), rel=1e-4)
    assert not math.isnan(float(seeded(model, x, torch.full((8,), 4))["right"]))


@pytest.mark.parametrize("config, says", [({"importance": 5, "beta": 2.0}, "importance"), ({"widths": (30,), "net": "conv"}, "groups")])
def test_settings_that_contradict_each_other_are_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        VAEConfig(**config)
