"""Series: against scipy, statsmodels and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from statsmodels.tsa.stattools import acf
from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import Column, DataSpec, Leaf
from gentk_metrics.series import ACF, MarginalW1, autocorrelations
from plugins.metrics.tests.parting import measured, same_however_parted

METRICS = {"marginal-w1": MarginalW1, "acf": ACF}
T = 24


def spec(steps: int = T, channels: int = 2) -> DataSpec:
    columns = tuple(Column(name=name) for name in ("load", "price")[:channels])
    return DataSpec(modality="series", leaves={"x": Leaf(shape=(steps, channels), columns=columns), "length": Leaf(classes=steps + 1)})


def autoregressive(n: int, phi: float, steps: int = T, seed: int = 0, channels: int = 2) -> Tensor:
    """AR(1), stationary with variance 1."""
    noise = torch.randn(n, steps, channels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = [noise[:, 0]]
    for t in range(1, steps):
        x.append(phi * x[-1] + math.sqrt(1 - phi**2) * noise[:, t])
    return torch.stack(x, 1)


def padded(n: int = 60, phi: float = 0.7, seed: int = 0, padding: float = 0.0) -> dict[str, Tensor]:
    length = torch.randint(4, T + 1, (n,), generator=torch.Generator().manual_seed(seed))
    inside = (torch.arange(T) < length[:, None])[..., None]
    return {"x": autoregressive(n, phi, seed=seed).float().where(inside, padding), "length": length}


def value(name: str, generated: Any, real: Any, data: DataSpec | None = None) -> float:
    sides = {"generated": generated, "real": real}
    sides = {side: rows if isinstance(rows, dict) else {"x": rows} for side, rows in sides.items()}
    return measured(lambda: METRICS[name](data or spec()), sides)[name].value


@pytest.mark.parametrize("name", METRICS)
def test_parts_and_ranks_do_not_matter(name: str) -> None:
    same_however_parted(lambda: METRICS[name](spec()), {"generated": padded(50), "real": padded(70, 0.3, 1)})


@pytest.mark.parametrize("name", METRICS)
def test_padding_does_not_count(name: str) -> None:
    real = padded(seed=1)
    assert value(name, padded(padding=0.0), real) == value(name, padded(padding=9.0), real)
    assert value(name, padded(), real) != value(name, {"x": padded()["x"]}, real)


@pytest.mark.parametrize("name", METRICS)
def test_the_same_series_are_at_no_distance_and_others_at_more_than_the_floor(name: str) -> None:
    real, other, flat = padded(400), padded(400, seed=1), padded(400, 0.0, 2)
    flat["x"] = 1.4 * flat["x"]
    assert value(name, real, real) == pytest.approx(0, abs=1e-12)
    assert value(name, flat, real) > 3 * value(name, other, real)


# ---- marginal-w1
def test_marginals_are_scipys_in_deviations() -> None:
    a, b = autoregressive(30, 0.5).float(), 3 * autoregressive(40, 0.5, seed=1).float() + 1
    pairs = [(a[..., d].double().flatten().numpy(), b[..., d].double().flatten().numpy()) for d in range(2)]
    expected = np.mean([wasserstein_distance(one, other) / other.std() for one, other in pairs])
    assert value("marginal-w1", a, b) == pytest.approx(expected, rel=1e-9)
    units = torch.tensor([1000.0, 0.5], dtype=torch.float64)
    assert value("marginal-w1", a.double() * units, b.double() * units) == pytest.approx(expected, rel=1e-9)


def test_a_shift_moves_the_marginal_by_as_much() -> None:
    x = autoregressive(50, 0.5)
    assert value("marginal-w1", x + x.flatten(0, 1).std(0, correction=0) / 4, x) == pytest.approx(0.25, rel=1e-9)


# ---- acf
def test_autocorrelations_are_statsmodels() -> None:
    rows = padded(12)
    inside = (torch.arange(T) < rows["length"][:, None])[..., None].expand(-1, -1, 2)
    ours = autocorrelations(rows["x"].double(), inside, 10).numpy()
    for i, length in enumerate(rows["length"].tolist()):
        for d in range(2):
            peer = acf(rows["x"][i, :length, d].double().numpy(), nlags=10, fft=False)[1:]
            assert ours[i, : len(peer), d] == pytest.approx(peer, abs=1e-9)
            assert np.isnan(ours[i, len(peer) :, d]).all()


def test_missing_values_are_left_out_as_statsmodels_does() -> None:
    x = autoregressive(6, 0.8)
    x[torch.rand(x.shape, generator=torch.Generator().manual_seed(3)) < 0.2] = torch.nan
    ours = autocorrelations(x, ~x.isnan(), 8).numpy()
    for i in range(6):
        peer = acf(x[i, :, 0].numpy(), nlags=8, fft=False, missing="conservative", adjusted=False)[1:]
        assert ours[i, :, 0] == pytest.approx(peer, abs=1e-9)


def test_white_noise_beside_an_autoregression_has_its_closed_form() -> None:
    phi, steps = 0.8, 4000
    lags = np.arange(1, 41)
    white, real = (autoregressive(20, rho, steps, seed, 1) for seed, rho in enumerate((0.0, phi)))
    found = value("acf", white, real, spec(steps, 1))
    assert found == pytest.approx(math.sqrt(np.mean(phi ** (2 * lags))), abs=0.01)


def test_lags_reach_to_half_the_steps_or_40() -> None:
    for steps, lags in ((9, 4), (200, 40)):
        sides = {side: {"x": autoregressive(5, 0.5, steps, seed)} for seed, side in enumerate(("generated", "real"))}
        assert measured(lambda: ACF(spec(steps)), sides)["acf"].parameters == {"lags": lags}  # noqa: B023


def test_a_constant_series_has_no_autocorrelation() -> None:
    real, x = autoregressive(40, 0.7), autoregressive(50, 0.7, seed=1)
    flat = torch.full((3, T, 2), 0.1, dtype=torch.float64)  # the mean of 24 times 0.1 is not 0.1
    assert value("acf", torch.cat([x, flat]), real) == pytest.approx(value("acf", x, real), rel=1e-12)


# ---- bad input
def test_what_cannot_be_measured_is_said_in_one_line() -> None:
    x = autoregressive(20, 0.5)
    flat = x.clone()
    flat[..., 1] = 0.1
    for name, generated, real, message in (
        ("marginal-w1", x, flat, "channel price is constant"),
        ("acf", flat, x, "channel price has no autocorrelation"),
        ("marginal-w1", {"x": x, "length": torch.zeros(20)}, x, "channel load has no value in generated"),
        ("acf", {"x": x, "length": torch.ones(20)}, x, "channel load has no autocorrelation"),
        ("acf", x[:, :1], x[:, :1], "two steps"),
        ("acf", x[..., 0], x, "steps, channels"),
        ("marginal-w1", x.where(x < 2, torch.inf), x, "not finite in"),
        ("acf", x[:0], x, "needs at least 1"),
    ):
        with pytest.raises(GentkError, match=message) as raised:
            value(name, generated, real)
        assert "\n" not in str(raised.value)
