"""Order of convergence on a Gaussian, where the answer is known to the last digit."""

import math

import pytest
import torch

from gentk.gaussian.samplers import DDIM, Ancestral, Euler, GaussianSampler
from gentk.gaussian.schedules import Cosine, Karras, LinearBeta, Rectified, Sigmoid
from gentk.gaussian.solvers import DPMpp2M, Heun
from tests.gaussian.analytic import DEVIATION, MEAN, Exact, error

ORDERS = [(Euler, 1), (DDIM, 1), (Heun, 2), (DPMpp2M, 2)]


PATHS = pytest.mark.parametrize("schedule", [Rectified(), Cosine()], ids=["rectified", "cosine"])


def order_of(kind: type[GaussianSampler], model: Exact, spacing: str, steps: int = 128) -> float:
    coarse, fine = (error(kind(steps=n, spacing=spacing), model) for n in (steps, 2 * steps))  # type: ignore[arg-type]
    assert math.isfinite(coarse) and fine > 1e-12
    return math.log2(coarse / fine)


@PATHS
@pytest.mark.parametrize(("kind", "order"), ORDERS)
def test_order_of_convergence_on_a_grid_smooth_in_sigma(kind: type[GaussianSampler], order: int, schedule: object) -> None:
    """Equal steps of log σ/α; the last jump, from σ = 1e-6 to 0, is smaller than what is measured."""
    model = Exact(schedule, (1e-6, 0.98))  # type: ignore[arg-type]
    assert order_of(kind, model, "exponential") == pytest.approx(order, abs=0.15)


@PATHS
@pytest.mark.parametrize(("kind", "order"), [(Euler, 1), (DDIM, 1), (Heun, 2), (DPMpp2M, 1.8)])
def test_order_of_convergence_with_exact_ends(kind: type[GaussianSampler], order: float, schedule: object) -> None:
    """α(1) = 0 and σ(0) = 0 in equal steps of time. DPM-Solver++ works in λ, which is infinite at both ends: h² log 1/h."""
    assert order_of(kind, Exact(schedule), "linspace", 1024) == pytest.approx(order, abs=0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "order"), ORDERS)
def test_order_of_convergence_on_the_exploding_path(kind: type[GaussianSampler], order: int) -> None:
    """The grid ends at σ_min, so the jump from there to 0 must be smaller than what is measured."""
    model = Exact(Karras(5.0), (1e-5, 1.0))
    assert order_of(kind, model, "karras") > order - 0.25


@pytest.mark.parametrize("kind", [Ancestral, DDIM, Euler, Heun, DPMpp2M])
@pytest.mark.parametrize("schedule", [Rectified(), Cosine(), Sigmoid(), LinearBeta()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("spacing", ["linspace", "trailing", "leading", "shift"])
def test_exact_ends_are_finite(kind: type[GaussianSampler], schedule: object, spacing: str) -> None:
    model = Exact(schedule)  # type: ignore[arg-type]
    for steps in (1, 2, 7):
        sampler = kind(steps=steps, spacing=spacing)  # type: ignore[arg-type]
        times = sampler.times(model)
        assert times[-1] == 0 and len(times) == steps + 1 and bool((times[:-1] > times[1:]).all())
        from gentk.noise import Philox

        for step in sampler(model, 3, noise=Philox(0, range(3)), cond={}):
            assert bool(step.x.isfinite().all())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "sampler", [Ancestral(steps=200), DDIM(steps=200, eta=1.0), DDIM(steps=300, eta=0.5)], ids=["ddpm", "eta1", "eta½"]
)
@pytest.mark.parametrize("schedule", [Rectified(), Cosine()], ids=["rectified", "cosine"])
def test_stochastic_samplers_keep_the_law(sampler: GaussianSampler, schedule: object) -> None:
    from gentk.noise import Philox

    n = 4000
    *_, last = sampler(Exact(schedule), n, noise=Philox(1, range(n)), cond={})  # type: ignore[arg-type]
    x = last.x.double()  # type: ignore[union-attr]
    assert float(x.mean()) == pytest.approx(MEAN, abs=4 * DEVIATION / math.sqrt(n))
    assert float(x.std()) == pytest.approx(DEVIATION, rel=0.05)


def test_the_large_variance_is_larger_by_the_known_factor() -> None:
    """One step from t to s > 0: the deviation is √β instead of the posterior's √β̃ = σ_s/σ_t √β."""
    from gentk.gaussian.samplers import forward, fresh, points

    schedule = LinearBeta()
    t, s = points(schedule, torch.tensor([0.5, 0.499], dtype=torch.float64))
    beta = 1e-4 + (2e-2 - 1e-4) * 499 / 999
    assert forward(t, s) == pytest.approx(math.sqrt(beta), rel=1e-10)
    assert fresh(t, s) / forward(t, s) == pytest.approx(float(schedule(s.t)[1] / schedule(t.t)[1]), rel=1e-12)
