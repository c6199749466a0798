"""Parameterisations: what is trained and what is read are the same thing."""

import pytest
import torch

from gentk.gaussian.predictions import EDM, PARAMETERISATIONS
from gentk.gaussian.schedules import Cosine, Karras, LinearBeta, Rectified, scales

PATHS = {"linear": LinearBeta(), "cosine": Cosine(), "rectified": Rectified(), "karras": Karras(10.0)}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", PARAMETERISATIONS)
def test_reading_the_target_gives_back_x_and_eps(kind: str, path: str) -> None:
    """A network that outputs its target exactly is the perfect denoiser: x̂ = x and ε̂ = ε, at each row's own time."""
    schedule, how = PATHS[path], PARAMETERISATIONS[kind]()
    x, eps = torch.randn(2, 7, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    t = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    alpha, sigma = scales(schedule, t, x)
    x_t = alpha * x + sigma * eps
    read = how.read(how.target(x, eps, schedule, t), x_t, schedule, t)
    assert torch.allclose(read.x, x, atol=1e-9) and torch.allclose(read.eps, eps, atol=1e-9)


def test_edm_is_the_published_preconditioning() -> None:
    """Karras et al. 2022, table 1, at σ = 3 with σ_data = ½."""
    schedule, how = Karras(80.0), EDM(0.5)
    t = torch.tensor([3 / 80], dtype=torch.float64)
    x_t, out = torch.tensor([[2.0]], dtype=torch.float64), torch.tensor([[0.7]], dtype=torch.float64)
    skip, scale = 0.25 / (9 + 0.25), 3 * 0.5 / (9 + 0.25) ** 0.5
    assert float(how.read(out, x_t, schedule, t).x) == pytest.approx(skip * 2.0 + scale * 0.7, rel=1e-12)
    assert float(how.given(x_t, schedule, t)) == pytest.approx(2.0 / (9 + 0.25) ** 0.5, rel=1e-12)


def test_edm_is_finite_without_noise() -> None:
    """At σ = 0 the denoiser is the identity and ε̂ is −out; dividing by σ would give nan."""
    t = torch.zeros(2, dtype=torch.float64)
    x, out = torch.randn(2, 2, 5, dtype=torch.float64)
    read = EDM(0.5).read(out, x, Karras(80.0), t)
    assert torch.equal(read.x, x) and torch.allclose(read.eps, -out)
    assert bool(EDM(0.5).target(x, out, Karras(80.0), t).isfinite().all())


def test_v_is_that_of_salimans_and_ho() -> None:
    schedule = Cosine()
    t = torch.tensor([0.3], dtype=torch.float64)
    x, eps = torch.tensor([[0.4]], dtype=torch.float64), torch.tensor([[-1.1]], dtype=torch.float64)
    alpha, sigma = schedule(t)
    assert float(PARAMETERISATIONS["v"]().target(x, eps, schedule, t)) == pytest.approx(float(alpha * -1.1 - sigma * 0.4), rel=1e-12)


def test_velocity_on_the_rectified_path_is_eps_minus_x() -> None:
    x, eps = torch.randn(2, 4, 2, dtype=torch.float64)
    t = torch.rand(4, dtype=torch.float64)
    assert torch.allclose(PARAMETERISATIONS["velocity"]().target(x, eps, Rectified(), t), eps - x)
