"""p(x | z): known answers, masses that sum to one, draws that follow the law."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats

from gentk.errors import UsageError
from gentk.noise import Philox
from gentk.protocols import Leaf
from gentk_vae.likelihoods import likelihood

GREY = Leaf(shape=(1, 1, 1), range=(-1, 1), levels=256)
BINARY = Leaf(shape=(1, 1, 1), range=(-1, 1), levels=2)
REAL = Leaf(shape=(3,))


def grid(leaf: Leaf) -> torch.Tensor:
    assert leaf.range
    return torch.linspace(*leaf.range, leaf.levels).view(-1, 1, 1, 1)


@pytest.mark.parametrize("location, log_scale", [(0.3, -4.0), (-1.4, 0.0), (1.2, 2.0), (0.0, 8.0), (-0.999, 7.0)])
def test_the_masses_of_all_grey_levels_sum_to_one(location: float, log_scale: float) -> None:
    law = likelihood("logistic", GREY, None)
    given = torch.tensor([location, log_scale], dtype=torch.float64).view(1, 2, 1, 1, 1).expand(256, -1, -1, -1, -1)
    nats = law.log_prob(given, grid(GREY).double())
    assert float(nats.exp().sum()) == pytest.approx(1, abs=1e-6)
    assert torch.isfinite(nats).all()


def test_a_discretised_logistic_is_the_difference_of_the_logistic_cdf() -> None:
    law = likelihood("logistic", GREY, None)
    given = torch.tensor([0.2, 0.5], dtype=torch.float64).view(1, 2, 1, 1, 1).expand(256, -1, -1, -1, -1)
    mean, scale = float(law.mean(given[:1])), float((given[0, 1, 0, 0, 0] - 2).exp())
    edges = torch.linspace(-1 - 1 / 255, 1 + 1 / 255, 257, dtype=torch.float64)
    cdf = stats.logistic.cdf(edges.numpy(), mean, scale)
    cdf[0], cdf[-1] = 0, 1
    wanted = torch.from_numpy(cdf).diff().log()
    torch.testing.assert_close(law.log_prob(given, grid(GREY).double()).double(), wanted, rtol=1e-5, atol=1e-5)


def test_far_from_its_level_a_logistic_is_neither_infinite_nor_flat() -> None:
    law = likelihood("logistic", GREY, None)
    given = torch.tensor([5.0, -20.0]).view(1, 2, 1, 1, 1).requires_grad_()
    nats = law.log_prob(given, torch.full((1, 1, 1, 1), -0.5))
    nats.sum().backward()
    assert torch.isfinite(nats).all() and given.grad is not None and abs(float(given.grad[0, 0])) > 1


def test_bernoulli_is_that_of_torch_on_both_levels() -> None:
    law = likelihood("auto", BINARY, None)
    logits = torch.tensor([-3.0, 0.5, 80.0]).view(3, 1, 1, 1, 1)
    for x in (-1.0, 1.0):
        wanted = torch.distributions.Bernoulli(logits=logits.flatten()).log_prob(torch.full((3,), (x + 1) / 2))
        torch.testing.assert_close(law.log_prob(logits, torch.full((3, 1, 1, 1), x)), wanted)
    assert law.mean(logits).flatten().tolist() == pytest.approx([2 / (1 + torch.e**3) - 1, 0.24491866, 1.0])


def test_gaussian_is_that_of_scipy_and_sums_over_the_example() -> None:
    law = likelihood("auto", REAL, 0.7)
    mean, x = torch.randn(5, 3), torch.randn(5, 3)
    wanted = torch.from_numpy(stats.norm.logpdf(x.numpy(), mean.numpy(), 0.7)).sum(1)
    torch.testing.assert_close(law.log_prob(mean[:, None], x).double(), wanted, rtol=1e-5, atol=1e-5)


def test_of_quantised_data_the_gaussian_is_the_expectation_of_uniform_dequantisation() -> None:
    law = likelihood("gaussian", GREY, 0.1)
    width, level, mean = 2 / 255, 0.30196083, 0.25
    u = torch.linspace(-width / 2, width / 2, 20_001, dtype=torch.float64)
    wanted = float((torch.from_numpy(stats.norm.logpdf(level + u.numpy(), mean, 0.1)) + torch.tensor(width).double().log()).mean())
    found = law.log_prob(torch.full((1, 1, 1, 1, 1), mean), torch.full((1, 1, 1, 1), level))
    assert float(found) == pytest.approx(wanted, abs=2e-5)


def test_the_learned_deviation_of_a_constant_error_is_that_error() -> None:
    law = likelihood("gaussian", REAL, None)
    optimizer = torch.optim.Adam(law.parameters(), 0.05)
    for _ in range(400):
        optimizer.zero_grad()
        (-law.log_prob(torch.zeros(1, 1, 3), torch.full((1, 3), 0.25)).mean()).backward()
        optimizer.step()
    assert float(law.log_sigma.exp()) == pytest.approx(0.25, rel=1e-3)


@pytest.mark.parametrize("name, leaf, given", [("logistic", GREY, (0.1, 0.3)), ("bernoulli", BINARY, (0.4,)), ("gaussian", REAL, (0.4,))])
def test_draws_follow_the_law(name: str, leaf: Leaf, given: tuple[float, ...]) -> None:
    law: Any = likelihood(name, leaf, 0.5)
    n = 20_000
    parameters = torch.tensor(given).view(1, -1, *[1] * len(leaf.shape)).expand(n, -1, *leaf.shape)
    x = law.draw(parameters, Philox(3, range(n)))
    mean = law.mean(parameters[:1]) if name != "logistic" else None
    if leaf.levels:
        levels = grid(leaf)
        mass = law.log_prob(parameters[: leaf.levels], levels).exp() if leaf.levels <= n else None
        assert mass is not None
        index = ((x.flatten() + 1) / 2 * (leaf.levels - 1)).round().long()
        assert float((x.flatten() - levels.flatten()[index]).abs().max()) < 1e-6  # only levels that there are
        share = torch.bincount(index, minlength=leaf.levels) / n
        assert float((share - mass).abs().max()) < 4 * float((mass.max() / n) ** 0.5)
    if not leaf.levels:
        assert float(x.std(0).min()) == pytest.approx(0.5, rel=0.03)
    if mean is not None:
        assert float((x.mean(0) - mean[0]).abs().max()) < 5 * float(x.std()) / n**0.5


@pytest.mark.parametrize(
    "name, leaf, says",
    [
        ("bernoulli", GREY, "binarise"),
        ("logistic", REAL, "likelihood=gaussian"),
        ("auto", Leaf(shape=(4,), classes=9), "classes"),
    ],
)
def test_a_law_that_cannot_be_that_of_the_data_is_refused(name: str, leaf: Leaf, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        likelihood(name, leaf, None)
