"""The mixture of discretised logistics against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special, stats

from gentk_autoregressive.laws import LogisticMixture


def masses(mean: float, scale: float, levels: int) -> np.ndarray:
    """log of the mass of each level's bin, from differences of the CDF or of the survival function, whichever is the more exact."""
    edge = 1 / (levels - 1)
    edges = np.linspace(-1 - edge, 1 + edge, levels + 1)
    edges[0], edges[-1] = -np.inf, np.inf
    low, high = edges[:-1], edges[1:]
    lower = stats.logistic.cdf(high, mean, scale) - stats.logistic.cdf(low, mean, scale)
    upper = stats.logistic.sf(low, mean, scale) - stats.logistic.sf(high, mean, scale)
    found: np.ndarray = np.log(np.where(low + high > 2 * mean, upper, lower))
    return found


@pytest.mark.parametrize("channels, components, levels", [(1, 4, 256), (3, 2, 256), (3, 5, 16)])
def test_a_mixture_is_that_of_scipy(channels: int, components: int, levels: int) -> None:
    law = LogisticMixture(levels, channels, components)
    torch.manual_seed(0)
    given = torch.randn(5, law.parameters_each)
    given[:, components : components * (1 + channels)] *= 0.4
    tokens = torch.randint(levels, (5, channels))
    found = law.log_prob(given, tokens)
    for row in range(5):
        p, k, c = given[row].double().numpy(), components, channels
        weight, mean = special.log_softmax(p[:k]), p[k : k + k * c].reshape(k, c)
        mean = mean + (2 * np.arange(k)[:, None] + 1) / k - 1  # spread evenly
        scale = np.exp(np.maximum(p[k + k * c : k + 2 * k * c].reshape(k, c) - 2, -7))
        pull = np.tanh(p[k + 2 * k * c :].reshape(k, -1))
        x = tokens[row].numpy() * 2 / (levels - 1) - 1
        nats = []
        for i in range(k):
            means = [mean[i, 0]]
            if c == 3:
                means += [mean[i, 1] + pull[i, 0] * x[0], mean[i, 2] + pull[i, 1] * x[0] + pull[i, 2] * x[1]]
            nats.append(weight[i] + sum(masses(means[j], scale[i, j], levels)[tokens[row, j]] for j in range(c)))
        assert float(found[row]) == pytest.approx(float(special.logsumexp(nats)), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("scale", [-9.0, -3.0, 0.0, 9.0])
def test_the_masses_of_256_levels_sum_to_one(scale: float) -> None:
    law = LogisticMixture(256, 1, 2)
    given = torch.tensor([0.3, -0.5, 0.1, -1.7, scale, scale - 1]).expand(256, -1)
    nats = law.log_prob(given, torch.arange(256)[:, None]).double()
    assert torch.isfinite(nats).all()
    assert float(nats.exp().sum()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(law.logits(given[:1], torch.zeros(1, 1, dtype=torch.int64))[0, 0].double(), nats, atol=1e-5, rtol=1e-6)


def test_the_conditionals_of_the_channels_multiply_to_the_pixel() -> None:
    law = LogisticMixture(16, 3, 4)
    torch.manual_seed(1)
    given, tokens = torch.randn(6, law.parameters_each), torch.randint(16, (6, 3))
    each = law.logits(given, tokens)
    torch.testing.assert_close(each.exp().sum(-1), torch.ones(6, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(each.gather(-1, tokens[..., None]).sum((1, 2)), law.log_prob(given, tokens), atol=1e-5, rtol=1e-5)
    later = tokens.clone()
    later[:, 2] = (later[:, 2] + 5) % 16
    torch.testing.assert_close(law.logits(given, later), each)


def test_far_from_every_mean_the_gradient_is_alive() -> None:
    law = LogisticMixture(256, 1, 1)
    given = torch.tensor([[0.0, 5.0, -20.0]], requires_grad=True)
    nats = law.log_prob(given, torch.tensor([[64]]))
    nats.sum().backward()
    assert torch.isfinite(nats).all() and given.grad is not None and abs(float(given.grad[0, 1])) > 1


def test_components_that_begin_alike_come_apart() -> None:
    """Half of the numbers are 60 and half are 200: log 2 nats each, which no single logistic comes near."""
    law, tokens = LogisticMixture(256, 1, 4), torch.tensor([60, 200] * 8)[:, None]
    given = torch.zeros(law.parameters_each, requires_grad=True)
    optimizer = torch.optim.Adam([given], 0.1)
    for _ in range(300):
        loss = -law.log_prob(given.expand(16, -1), tokens).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < np.log(2) + 0.05
