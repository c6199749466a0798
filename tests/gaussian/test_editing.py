"""What a denoiser can do beside sampling: start from something, fill in the rest, go back, say how likely."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gentk
from gentk.errors import UsageError
from gentk.gaussian.circle import angle, slope
from gentk.gaussian.editing import Known
from gentk.gaussian.inversion import invert
from gentk.gaussian.likelihood import log_prob
from gentk.gaussian.samplers import DDIM, Ancestral, Consistency, Euler, RePaint
from gentk.gaussian.schedules import Cosine, Karras, LinearBeta, Rectified, ZeroTerminal
from gentk.gaussian.solvers import Dopri5, DPMpp2M, DPMpp2MSDE, Heun, UniPC
from gentk.inference.interpolation import interpolate, seeds, slerp
from gentk.inference.likelihood import bits_per_dim, kind_of
from gentk.noise import Philox
from gentk.protocols import Batch, DataSpec, Leaf, Prediction, Schedule

EVERY = [DDIM, Euler, Ancestral, Consistency, RePaint, Heun, DPMpp2M, DPMpp2MSDE, UniPC, Dopri5]
PATHS = pytest.mark.parametrize("schedule", [Rectified(), Cosine(), Karras(80.0)], ids=lambda s: type(s).__name__)
MEAN, ROOT = (
    torch.tensor([0.4, -0.2, 0.1], dtype=torch.float64),
    torch.tensor([[0.5, 0.0, 0.0], [0.2, 0.3, 0.0], [-0.1, 0.1, 0.2]], dtype=torch.float64),
)


class Normal(nn.Module):
    """The ideal denoiser of N(MEAN, ROOT ROOTᵀ) in three dimensions."""

    conditions: dict[str, Any] = {}
    Config = config = None

    def __init__(self, schedule: Schedule, times: tuple[float, float] = (0.0, 1.0), **leaf: Any) -> None:
        super().__init__()
        self.schedule, self.times = schedule, times
        self.data = DataSpec(modality="points", leaves={"x": Leaf(shape=(3,), **leaf)})
        self.law = torch.distributions.MultivariateNormal(MEAN, scale_tril=ROOT)
        self.anchor = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        alpha, sigma = self.schedule(t)
        covariance = ROOT @ ROOT.T
        total = alpha**2 * covariance + sigma**2 * torch.eye(3, dtype=torch.float64)
        unit = torch.linalg.solve(total, (x_t.double() - alpha * MEAN).T).T
        return Prediction((MEAN + alpha * unit @ covariance).to(x_t), (sigma * unit).to(x_t))


# ---------------------------------------------------------------- likelihood
@pytest.mark.parametrize("schedule", [Rectified(), Cosine(), Karras(1e6)], ids=lambda s: type(s).__name__)
def test_log_likelihood_is_the_closed_form(schedule: Schedule) -> None:
    """On a path that ends so far out that its samplers' first draw, of mean 0, is the data's law there to 1e-6."""
    model = Normal(schedule)
    x = model.law.sample((20,))
    found = log_prob(model, {"x": x}, Philox(0, range(20)), steps=60)
    assert float((found - model.law.log_prob(x)).abs().max()) <= 1e-5


def test_it_is_the_law_of_the_samples_also_where_the_path_ends_early() -> None:
    """σ(1) = 2: the samplers' first draw, N(0, 2²), is not yet the data's law there, and what the ODE makes of it is known."""
    model, x = Normal(Karras(2.0)), torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.4
    values, vectors = torch.linalg.eigh(ROOT @ ROOT.T)
    shrink = vectors @ torch.diag((values / (values + 4)).sqrt()) @ vectors.T
    law = torch.distributions.MultivariateNormal(MEAN - shrink @ MEAN, 4 * shrink @ shrink.T)
    assert float((log_prob(model, {"x": x}, Philox(0, range(10)), steps=60) - law.log_prob(x)).abs().max()) <= 1e-5


def test_hutchinson_is_unbiased_and_one_probe_a_row() -> None:
    model, n = Normal(Cosine()), 4000
    x = model.law.sample((1,)).expand(n, -1)
    found = log_prob(model, {"x": x}, Philox(0, range(n)), steps=12, probes=1)
    exact = log_prob(model, {"x": x[:1]}, Philox(0, [0]), steps=12)
    assert float(found.std()) > 0.05
    assert float(found.mean() - exact) == pytest.approx(0, abs=4 * float(found.std()) / math.sqrt(n))
    more = log_prob(model, {"x": x}, Philox(0, range(n)), steps=12, probes=4)
    assert float(more.std()) == pytest.approx(float(found.std()) / 2, rel=0.15)


def test_likelihood_does_not_depend_on_the_batch() -> None:
    model = Normal(Cosine(), range=(-2, 2), levels=256)
    x = model.law.sample((5,)).clamp(-2, 2)
    whole = gentk.log_prob(model, {"x": x}, steps=8)
    assert torch.allclose(whole, gentk.log_prob(model, {"x": x}, steps=8, batch_size=2), atol=1e-10)
    assert not torch.allclose(whole, gentk.log_prob(model, {"x": x}, steps=8, seed=1), atol=1e-3)


def test_quantised_data_have_a_mass() -> None:
    """256 levels over [-2, 2]: log P(bin) is the density, nearly constant in a bin, plus log of its volume. Bits are per number."""
    fine, mass = Normal(Cosine()), Normal(Cosine(), range=(-2, 2), levels=2**14 + 1)
    x = fine.law.sample((4,)).clamp(-2, 2)
    bins = 3 * math.log(4 / 2**14)
    assert torch.allclose(gentk.log_prob(mass, {"x": x}), gentk.log_prob(fine, {"x": x}) + bins, atol=0.02)
    assert kind_of(fine) == "exact" and kind_of(mass) == "estimate"
    assert float(bits_per_dim(torch.tensor(-3 * math.log(2.0)), 3)) == pytest.approx(1.0)


def test_what_has_no_likelihood_says_so() -> None:
    with pytest.raises(UsageError, match="has no likelihood"):
        gentk.log_prob(nn.Linear(1, 1), {"x": torch.zeros(1, 1)})


@PATHS
def test_the_circle_is_the_same_ode(schedule: Schedule) -> None:
    """dy/dθ against the difference quotient of the exact solution along the path."""
    model = Normal(schedule, (1e-3, 0.999))
    t = torch.tensor([0.3, 0.3001], dtype=torch.float64)
    x = torch.randn(2, 3, dtype=torch.float64)
    theta = [angle(schedule, v) for v in t]
    alpha, sigma = schedule(t[0])
    start = x * (alpha**2 + sigma**2) ** 0.5
    *_, (end, _) = Heun(steps=20).walk(model, start, torch.linspace(0.3, 0.3001, 21, dtype=torch.float64), Philox(0, [0, 1]), {})
    alpha, sigma = schedule(t[1])
    y = end / (alpha**2 + sigma**2) ** 0.5
    assert torch.allclose((y - x) / (theta[1] - theta[0]), slope(model, x, sum(theta) / 2, {}), rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------- inversion
@pytest.mark.parametrize("schedule", [Rectified(), Cosine(), LinearBeta()], ids=lambda s: type(s).__name__)
def test_inversion_and_back_is_the_identity(schedule: Schedule) -> None:
    """One iteration is DDIM inversion, wrong by O(h); more solve each step's own equation."""
    model, x = Normal(schedule), torch.randn(6, 3, dtype=torch.float64) * 0.3
    sampler = Euler(steps=50, clip=False)
    times, missed = sampler.times(model), {}
    for iterations in (1, 4, 30):
        z = invert(model, x, times, {}, iterations=iterations)
        *_, (back, _) = sampler.walk(model, z * schedule(times[0])[1], times, Philox(0, range(6)), {})
        missed[iterations] = float((back - x).abs().max())
    assert missed[30] < 1e-9 and missed[4] < missed[1] / 20 and missed[1] > 1e-3


def test_codes_of_examples_of_the_law_are_normal() -> None:
    model = Normal(Cosine())
    z = gentk.encode(model, {"x": model.law.sample((4000,))}, steps=200)
    assert float(z.mean(0).abs().max()) < 0.08 and torch.allclose(z.T.cov(), torch.eye(3, dtype=torch.float64), atol=0.12)


# ---------------------------------------------------------------- interpolation
def test_slerp_is_a_great_circle() -> None:
    a, b = torch.randn(4, 7, dtype=torch.float64), torch.randn(4, 7, dtype=torch.float64)
    a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    third, half = slerp(a, b, 1 / 3), slerp(a, b, 0.5)
    assert torch.allclose(third.norm(dim=1), torch.ones(4, dtype=torch.float64))
    full, part = (a * b).sum(1).acos(), (a * third).sum(1).acos()
    assert torch.allclose(part, full / 3) and torch.allclose((half * a).sum(1), (half * b).sum(1))
    assert torch.allclose(slerp(a, b, 0.0), a) and torch.allclose(slerp(a, b, 1.0), b) and torch.allclose(slerp(a, a, 0.3), a)


def test_ends_of_a_way_are_the_samples_and_the_examples_themselves() -> None:
    model, sampler = Normal(Cosine()), DDIM(steps=10, clip=False)
    found = interpolate(model, seeds(model, [3, 5]), 4, sampler=sampler)["x"]
    for row, seed in ((0, 3), (-1, 5)):
        assert torch.allclose(found[row], gentk.sample(model, 1, seed=seed, sampler=sampler)["x"][0], atol=1e-6)
    x = model.law.sample((3,))
    between = interpolate(model, {"x": x}, 5)["x"]
    assert len(between) == 10 and torch.allclose(between[[0, 4, 5, 9]], x[[0, 1, 1, 2]], atol=1e-3)
    with pytest.raises(UsageError, match="at least two"):
        interpolate(model, {"x": x[:1]}, 5)


# ---------------------------------------------------------------- starting, filling in
@pytest.mark.parametrize("kind", EVERY)
@PATHS
def test_what_is_known_stays_exactly(kind: Any, schedule: Schedule) -> None:
    model = Normal(schedule, (1e-4, 1.0) if isinstance(schedule, Karras) else (0.0, 1.0))
    known, mask = torch.tensor([[0.3, 9.0, -0.7]]), torch.tensor([[1.0, 0.0, 1.0]])
    steps = 1 if kind is Dopri5 else 6
    drawn = gentk.sample(model, 3, sampler=kind(steps=steps, clip=False), known=known, known_mask=mask)["x"].float()
    assert torch.equal(drawn[:, [0, 2]], known[:, [0, 2]].expand(3, -1)) and bool((drawn[:, 1].abs() < 3).all())


def test_filled_in_follows_the_conditional_law() -> None:
    """RePaint comes nearer to p(x₂ | x₀, x₁) than replacement alone, whose guess of x₂ hears of the others late."""
    model, n = Normal(Cosine()), 6000
    known, mask = torch.tensor([[1.4, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    covariance = ROOT @ ROOT.T
    exact = MEAN[1:] + covariance[1:, 0] / covariance[0, 0] * (1.4 - MEAN[0])
    missed, kept = {}, {}
    variance = (covariance[1:, 1:] - covariance[1:, :1] @ covariance[:1, 1:] / covariance[0, 0]).diagonal()
    for name, sampler in (("plain", Ancestral(steps=100)), ("repaint", RePaint(steps=100, jump=1, resamples=10))):
        drawn = gentk.sample(model, n, sampler=sampler, known=known, known_mask=mask, batch_size=n)["x"]
        missed[name] = float((drawn[:, 1:].mean(0) - exact).abs().max())
        kept[name] = float((drawn[:, 1:].var(0) / variance).min())
    assert missed["repaint"] < 0.02 < 0.08 < missed["plain"]
    assert kept["repaint"] > 0.65  # coarse steps cost some of it


def test_a_start_is_noised_as_far_as_the_strength_says() -> None:
    model = Normal(Cosine())
    start = torch.tensor([[1.0, -1.0, 2.0]])
    sampler = DDIM(steps=10, strength=0.3)
    first, *_ = gentk.stream(model, 2, sampler=sampler, cond={"start": start})
    t = sampler.times(model)[7]
    alpha, sigma = model.schedule(t)
    noise = Philox(0, [0, 1], dtype=torch.float64).normal(3)
    assert first.total == 3 and torch.allclose(first.x["x"], alpha * start + sigma * noise)  # type: ignore[index]
    weak, strong = (gentk.sample(model, 200, sampler=DDIM(steps=20, strength=s), start=start)["x"] for s in (0.05, 1.0))
    assert float((weak - start).abs().mean()) < 0.3 < float((strong - start).abs().mean())


def test_a_start_may_be_a_file_and_is_the_same_start(tmp_path: Path) -> None:
    model, file = Normal(Cosine()), tmp_path / "start.csv"
    file.write_text("x0,x1,x2\n1,-1,2\n")
    sampler, start = DDIM(steps=10, strength=0.3), torch.tensor([[1.0, -1.0, 2.0]])
    drawn = [gentk.sample(model, 2, sampler=sampler, start=given)["x"] for given in (str(file), start)]
    assert torch.equal(*drawn)
    *_, streamed = gentk.stream(model, 2, sampler=sampler, cond={"start": str(file)})
    assert torch.equal(streamed.x["x"].double(), drawn[1].double())  # type: ignore[index]
    with pytest.raises(UsageError, match=r"no file .*nowhere"):
        gentk.sample(model, 2, sampler=sampler, start=str(tmp_path / "nowhere.csv"))


def test_half_of_what_is_known_is_refused() -> None:
    with pytest.raises(UsageError, match="given together"):
        gentk.sample(Normal(Cosine()), 1, known=torch.zeros(1, 3))
    with pytest.raises(UsageError, match="did you mean 'start'"):
        gentk.sample(Normal(Cosine()), 1, cond={"strat": torch.zeros(1, 3)})
    with pytest.raises(UsageError, match=r"start: has shape \(4,\)"):
        gentk.sample(Normal(Cosine()), 1, start=torch.zeros(1, 4))


def test_known_keeps_the_state() -> None:
    model, x_t, t = Normal(Cosine()), torch.randn(2, 3, dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64)
    told = {"known": torch.ones(2, 3, dtype=torch.float64), "known_mask": torch.tensor([[1, -1, 0]])}
    p = Known(model).denoise(x_t, t, told)
    alpha, sigma = model.schedule(t)
    assert torch.allclose(alpha * p.x + sigma * p.eps, x_t)
    assert torch.equal(p.x[:, 0], torch.ones(2, dtype=torch.float64)) and torch.equal(p.x[:, 1:], model.denoise(x_t, t, {}).x[:, 1:])


# ---------------------------------------------------------------- zero terminal SNR
ENDLESS = [("linear", {}), ("scaled-linear", {"steps": 100}), ("cosine", {"offset": 0.008}), ("sigmoid", {})]


@pytest.mark.parametrize(("name", "options"), ENDLESS)
def test_zero_terminal_ends_in_pure_noise_and_keeps_its_first_step(name: str, options: dict[str, Any]) -> None:
    moved, plain = ZeroTerminal(name, options), gentk.schedule(name, **options)
    steps = getattr(plain, "steps", 0)
    ends = torch.tensor([0.0, 1 / steps if steps else 1e-9, 1.0], dtype=torch.float64)
    alpha, sigma = moved(ends)
    assert alpha[2] == 0 and sigma[2] == 1 and torch.allclose(alpha[:2], plain(ends)[0][:2], rtol=1e-12) and sigma[0] == 0
    t = torch.linspace(0.01, 0.999, 50, dtype=torch.float64)
    alpha, sigma = moved(t)
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(50, dtype=torch.float64)) and bool((alpha.diff() < 0).all())
    assert torch.allclose(moved.inverse((alpha / sigma).log()), t, atol=1e-7)
