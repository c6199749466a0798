"""The objective and the Denoiser it gives."""

import math

import pytest
import torch

from gentk.gaussian.schedules import at
from gentk.protocols import DataSpec, Leaf
from gentk_ddpm.config import PointsConfig
from gentk_ddpm.points import DDPMPoints
from gentk_ddpm.times import training_times

DATA = DataSpec(
    modality="points", leaves={"x": Leaf(shape=(2,))}, conditions={"label": Leaf(classes=3)}, frequencies={"label": [1.0, 1.0, 2.0]}
)


def model(**config: object) -> DDPMPoints:
    torch.manual_seed(0)
    built = DDPMPoints(PointsConfig(width=16, blocks=1, **config), DATA)  # type: ignore[arg-type]
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return built.double()


def times_of(m: DDPMPoints, n: int) -> torch.Tensor:
    return training_times(m.config, m.schedule, m.times, n)


def test_times_are_stratified_and_inside_their_range() -> None:
    """One draw in each n-th part of the distribution: sorted, the i-th lies in [i/n, (i+1)/n)."""
    torch.manual_seed(1)
    t = times_of(model(schedule="rectified", prediction="velocity"), 64)
    assert torch.equal((t.sort().values * 64).floor(), torch.arange(64).double())
    assert not torch.equal(t, t.sort().values)


def test_times_on_a_table_are_its_own() -> None:
    torch.manual_seed(1)
    t = times_of(model(), 4000) * 1000
    assert torch.allclose(t, t.round(), atol=1e-9) and float(t.min()) == 1 and float(t.max()) == 1000
    assert float(t.mean()) == pytest.approx(500.5, abs=0.5)


def test_lognormal_noise_levels() -> None:
    torch.manual_seed(1)
    m = model(schedule="karras", prediction="edm", times="lognormal", times_mean=-0.5, times_std=1.1)
    level = m.schedule(times_of(m, 20_000))[1].log()
    assert float(level.mean()) == pytest.approx(-0.5, abs=0.01) and float(level.std()) == pytest.approx(1.1, abs=0.01)


@pytest.mark.parametrize("prediction", ["eps", "x", "v", "velocity", "score", "edm"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "rectified", "karras"])
def test_both_estimates_make_the_state(prediction: str, schedule: str) -> None:
    """x_t = α x̂ + σ ε̂, whatever the net says, at the noisy end too."""
    m = model(schedule=schedule, prediction=prediction)
    x = torch.randn(4, 2, dtype=torch.float64)
    cond = {"label": torch.tensor([0, 1, 2, 3])}
    for t in (m.times[1], 0.5, 0.01):
        alpha, sigma = at(m.schedule, t)
        p = m.denoise(x, torch.tensor(t, dtype=torch.float64), cond)
        assert torch.allclose(alpha * p.x + sigma * p.eps, x, atol=1e-8) and bool(p.x.isfinite().all())


def test_an_eps_net_is_not_asked_at_pure_noise() -> None:
    assert model(schedule="cosine", prediction="eps").times[1] < 1 and model(schedule="cosine", prediction="v").times[1] == 1


def test_the_label_is_dropped_as_often_as_said() -> None:
    seen = []
    m = model(label_dropout=0.25)
    forward = m.net.forward
    m.net.forward = lambda x, t, label: seen.append(label) or forward(x, t, label)  # type: ignore[func-returns-value]
    torch.manual_seed(0)
    m.loss({"x": torch.randn(8000, 2, dtype=torch.float64), "label": torch.randint(3, (8000,))}, "main", 0)
    share = float((seen[0] == 3).double().mean())
    assert share == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 8000))


def test_each_label_gives_another_answer_and_the_null_another_still() -> None:
    m = model()
    x, t = torch.randn(1, 2, dtype=torch.float64).expand(4, 2), torch.tensor(0.5, dtype=torch.float64)
    out = m.denoise(x, t, {"label": torch.arange(4)}).x
    assert len({tuple(row.tolist()) for row in out}) == 4
