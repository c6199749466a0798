"""Schedules against their formulas, their ends, their inverses, and diffusers' tables."""

import math

import numpy as np
import pytest
import torch

from gentk.gaussian.schedules import BetaTable, Cosine, Karras, LinearBeta, Rectified, ScaledLinearBeta, Sigmoid, derivatives
from gentk.gaussian.spacings import SPACINGS

F64 = torch.float64
ALL = [LinearBeta(), ScaledLinearBeta(), Cosine(), Cosine(0.008), Sigmoid(), Sigmoid(-3, 3, 0.7), Rectified(), Karras(80.0)]
NAMES = ["linear", "scaled-linear", "cosine", "cosine-offset", "sigmoid", "sigmoid-0.7", "rectified", "karras"]


@pytest.mark.parametrize("schedule", ALL, ids=NAMES)
def test_ends_are_exact_and_both_fall(schedule: object) -> None:
    t = torch.linspace(0, 1, 1001, dtype=F64)
    alpha, sigma = schedule(t)  # type: ignore[operator]
    assert float(alpha[0]) == 1 and float(sigma[0]) == 0
    if not isinstance(schedule, (BetaTable, Karras)):
        assert float(alpha[-1]) == 0 and float(sigma[-1]) == pytest.approx(1, abs=1e-15)
    assert bool((alpha.diff() <= 0).all()) and bool((sigma.diff() > 0).all())


@pytest.mark.parametrize("schedule", ALL, ids=NAMES)
def test_the_inverse_undoes_the_log_snr(schedule: object) -> None:
    t = torch.linspace(0.02, 0.98, 97, dtype=F64)
    alpha, sigma = schedule(t)  # type: ignore[operator]
    assert torch.allclose(schedule.inverse((alpha / sigma).log()), t, atol=1e-9, rtol=0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("schedule", ALL[:7], ids=NAMES[:7])
def test_variance_is_preserved(schedule: object) -> None:
    if isinstance(schedule, Rectified):
        pytest.skip("the rectified path does not preserve variance")
    alpha, sigma = schedule(torch.linspace(0, 1, 333, dtype=F64))  # type: ignore[operator]
    assert torch.allclose(alpha**2 + sigma**2, torch.ones_like(alpha), atol=1e-12)


@pytest.mark.parametrize(("ours", "options"), [
    (LinearBeta(), {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 2e-2}),
    (ScaledLinearBeta(), {"beta_schedule": "scaled_linear", "beta_start": 8.5e-4, "beta_end": 1.2e-2}),
])  # fmt: skip
def test_tables_are_those_of_diffusers(ours: BetaTable, options: dict[str, object]) -> None:
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(num_train_timesteps=1000, **options).alphas_cumprod.double()
    alpha, _ = ours((torch.arange(1000, dtype=F64) + 1) / 1000)
    assert torch.allclose(alpha**2, theirs, atol=2e-7, rtol=2e-5)  # their tables are float32
    betas = np.linspace(options["beta_start"], options["beta_end"], 1000)  # type: ignore[call-overload]
    if options["beta_schedule"] == "linear":
        assert torch.allclose(alpha**2, torch.from_numpy(np.cumprod(1 - betas)), rtol=1e-12)


def test_the_cosine_of_nichol_and_dhariwal() -> None:
    def f(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    alpha, _ = Cosine(0.008)(torch.tensor([0.25, 0.5, 0.9], dtype=F64))
    assert (alpha**2).tolist() == pytest.approx([f(t) / f(0) for t in (0.25, 0.5, 0.9)], rel=1e-12)


def test_the_table_hits_its_own_points() -> None:
    """(i + 1)/T · T is not i + 1 in floating point for every i; the table must be read there all the same."""
    betas = torch.linspace(1e-4, 2e-2, 1000, dtype=F64)
    product = torch.cumprod(1 - betas, 0)
    alpha, _ = LinearBeta()((torch.arange(1000, dtype=F64) + 1) / 1000)
    assert torch.allclose(alpha**2, product, rtol=1e-13, atol=0)


@pytest.mark.parametrize("schedule", [Cosine(), Sigmoid(), Rectified(), Karras(3.0)], ids=lambda s: type(s).__name__)
def test_derivatives_against_differences(schedule: object) -> None:
    t, h = torch.linspace(0.1, 0.9, 9, dtype=F64), 1e-6
    high, low = schedule(t + h), schedule(t - h)  # type: ignore[operator]
    for slope, a, b in zip(derivatives(schedule, t), high, low, strict=True):  # type: ignore[arg-type]
        assert torch.allclose(slope, (a - b) / (2 * h), atol=1e-7)


@pytest.mark.parametrize("betas", [[], [0.1, 1.0], [-0.1], [[0.1]], [float("nan")]])
def test_what_is_no_table_of_betas(betas: object) -> None:
    with pytest.raises(ValueError, match="betas"):
        BetaTable(betas)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [100, 1000, 4000])
@pytest.mark.parametrize("spacing", ["karras", "exponential"])
def test_the_lowest_default_level_of_a_table_is_its_first_timestep(steps: int, spacing: str) -> None:
    times = SPACINGS[spacing](LinearBeta(steps), (0.0, 1.0), 8)
    assert float(times[-2] * steps - 1) == pytest.approx(0, abs=1e-6) and float(times[0]) == pytest.approx(1)


def test_remembered_times_are_what_is_computed() -> None:
    """Also where the same time is asked again, as an array, or with a slope."""
    for schedule in (LinearBeta(), Cosine(), Sigmoid(), Rectified(), Karras()):
        t = torch.linspace(0, 1, 11, dtype=torch.float64)
        for _ in range(2):
            single = torch.stack([torch.stack(schedule(v)) for v in t])
            assert torch.allclose(single, torch.stack(schedule(t), dim=1), rtol=1e-15, atol=1e-15)
        between = t[4] + 0.00035  # of a table's own times, where it has a corner
        slope = derivatives(schedule, between)[1]
        assert float(slope) == pytest.approx(float(schedule(between + 1e-6)[1] - schedule(between - 1e-6)[1]) / 2e-6, rel=1e-5)
