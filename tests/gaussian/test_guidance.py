"""Wrappers around a denoiser."""

import pytest
import torch
from torch import Tensor

from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.gaussian.guidance import Clipped, Guided
from gentk.gaussian.samplers import DDIM, DPMpp2M
from gentk.gaussian.schedules import Cosine
from gentk.noise import Philox
from gentk.protocols import Batch, DataSpec, Leaf, Prediction


class Pull:
    """x̂ is the label's number (the null's is 10), so guidance is arithmetic."""

    schedule, times = Cosine(), (0.0, 1.0)
    Config = config = None
    data = DataSpec(modality="points", leaves={"x": Leaf(shape=(1,), range=(-1.0, 1.0))})

    def __init__(self, dropout: bool = True) -> None:
        self.conditions = {"label": Label(classes=10, dropout=dropout)}
        self.calls = 0

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        self.calls += 1
        alpha, sigma = self.schedule(t)
        x = cond["label"].to(x_t)[:, None]
        return Prediction(x, (x_t - alpha * x) / sigma)


T = torch.tensor(0.5, dtype=torch.float64)


def test_guidance_is_the_extrapolation_from_the_null() -> None:
    x_t, cond = torch.randn(3, 1, dtype=torch.float64), {"label": torch.tensor([1, 4, 10])}
    model = Pull()
    p = Guided(model, 3.0).denoise(x_t, T, cond)
    assert p.x[:, 0].tolist() == [10 + 3 * (1 - 10), 10 + 3 * (4 - 10), 10]  # asked for none, guidance does nothing
    assert model.calls == 1  # one forward for both
    alpha, sigma = model.schedule(T)
    assert torch.allclose(alpha * p.x + sigma * p.eps, x_t)


def test_weight_one_is_off_and_weight_zero_ignores_the_label() -> None:
    x_t, cond = torch.randn(2, 1), {"label": torch.tensor([3, 7])}
    assert torch.allclose(Guided(Pull(), 1.0).denoise(x_t, T, cond).x, Pull().denoise(x_t, T, cond).x)
    assert Guided(Pull(), 0.0).denoise(x_t, T, cond).x[:, 0].tolist() == [10, 10]


def test_guidance_needs_a_condition_that_was_left_out() -> None:
    with pytest.raises(UsageError, match="left out in training"):
        Guided(Pull(dropout=False), 2.0)


def test_clipping_keeps_the_state() -> None:
    x_t, cond = torch.randn(2, 1, dtype=torch.float64), {"label": torch.tensor([0, 7])}
    p = Clipped(Pull(), -1.0, 1.0).denoise(x_t, T, cond)  # type: ignore[arg-type]
    alpha, sigma = Pull.schedule(T)
    assert p.x[:, 0].tolist() == [0, 1] and torch.allclose(alpha * p.x + sigma * p.eps, x_t)


@pytest.mark.parametrize("kind", [DDIM, DPMpp2M])
def test_samplers_clip_after_guiding(kind: type[DDIM]) -> None:
    """Guided, label 9 pulls to 10 + 2 (9 − 10) = 8, far outside; clipped, the sample ends at 1."""
    cond = {"label": torch.tensor([9])}
    ends = {
        clip: float(list(kind(steps=5, guidance=2.0, clip=clip)(Pull(), 1, noise=Philox(0, [0]), cond=cond))[-1].x)  # type: ignore[arg-type]
        for clip in (True, False)
    }
    assert ends == pytest.approx({True: 1.0, False: 8.0})
