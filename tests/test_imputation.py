"""Filling in: what is known stays, what is not is drawn from its conditional law."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import gentk
from gentk.errors import UsageError
from gentk.gaussian.schedules import Cosine
from gentk.inference.imputation import hidden_at_random
from gentk.protocols import Batch, Noise
from tests.closed_forms import Normal
from tests.gaussian import test_editing as editing

MEAN = torch.tensor([0.5, -1.0, 2.0])
ROOT = torch.tensor([[1.0, 0, 0], [0.8, 0.6, 0], [-0.5, 0.3, 0.4]], dtype=torch.float64)


def model() -> Normal:
    return Normal(MEAN, ROOT @ ROOT.T)


def test_what_is_known_stays_bit_for_bit_and_the_rest_is_not_looked_at() -> None:
    x = torch.tensor([[1 / 3, float("nan"), 0.1], [7e9, 2.5, float("nan")]])
    normal, known = model(), torch.tensor([[True, False, True], [True, False, False]])
    filled = gentk.impute(normal, {"x": x}, known)
    assert filled.dtype == x.dtype and torch.equal(filled[known], x[known]) and bool(filled.isfinite().all())
    assert bool((normal.seen[0][~known] == 0).all())


def test_what_is_known_stays_even_where_a_model_forgets_it() -> None:
    class Careless(Normal):
        def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:  # type: ignore[override]
            return noise.normal(3).double()

    x, known = torch.randn(4, 3), torch.tensor([[True, False, True]])
    filled = gentk.impute(Careless(MEAN, ROOT @ ROOT.T), {"x": x}, known)
    assert torch.equal(filled[:, [0, 2]], x[:, [0, 2]]) and not bool((filled[:, 1] == x[:, 1]).any())


def test_draws_follow_the_conditional_law() -> None:
    n, normal = 6000, model()
    x = torch.tensor([[1.5, 0.0, 0.0]]).expand(n, -1)
    known = torch.tensor([[True, False, False]])
    drawn = gentk.impute(normal, {"x": x}, known, batch_size=1000)[:, 1:].double()
    mean, covariance = normal.given(x[0].double(), known[0])
    error = covariance.diagonal().sqrt() / n**0.5
    assert bool(((drawn.mean(0) - mean).abs() < 4 * error).all())
    assert torch.allclose(drawn.T.cov(), covariance, atol=0.05)
    regression = (ROOT @ ROOT.T)[1:, 0] / (ROOT @ ROOT.T)[0, 0] * (1.5 - 0.5) + MEAN[1:]
    assert torch.allclose(mean, regression, atol=1e-12)  # the textbook's other form


def test_a_draw_belongs_to_its_seed_and_row() -> None:
    x, known = torch.randn(9, 3), torch.arange(27).view(9, 3) % 5 < 2
    whole = gentk.impute(model(), {"x": x}, known, seed=4)
    assert torch.equal(whole, gentk.impute(model(), {"x": x}, known, seed=4, batch_size=4))
    assert not torch.equal(whole, gentk.impute(model(), {"x": x}, known, seed=5))


def test_options_are_those_of_what_fills_in() -> None:
    x, known = torch.zeros(3, 3), torch.tensor([True, False, False])
    still = gentk.impute(model(), {"x": x}, known, spread=0.0)
    assert torch.equal(still[0], still[2])
    with pytest.raises(UsageError, match="did you mean 'spread'"):
        gentk.impute(model(), {"x": x}, known, spraed=0.0)
    with pytest.raises(UsageError, match="resamples"):
        gentk.impute(editing.Normal(Cosine()), {"x": x}, known, resamples=0)


def test_a_denoiser_fills_in_by_its_sampler() -> None:
    """Towards the conditional law (§ RePaint), what is known bit for bit, also through float32's rounding."""
    denoiser, n = editing.Normal(Cosine()), 800
    x = torch.tensor([[1.4, float("nan"), 9.0]]).expand(n, -1)
    known = torch.tensor([True, False, False])
    drawn = gentk.impute(denoiser, {"x": x}, known, steps=60, jump=1, resamples=8, batch_size=n)
    assert torch.equal(drawn[:, 0], x[:, 0])
    covariance = editing.ROOT @ editing.ROOT.T
    exact = editing.MEAN[1:] + covariance[1:, 0] / covariance[0, 0] * (1.4 - editing.MEAN[0])
    assert float((drawn[:, 1:].double().mean(0) - exact).abs().max()) < 0.06


def test_what_cannot_fill_in_says_so() -> None:
    with pytest.raises(UsageError, match="neither an Imputer nor a Denoiser"):
        gentk.impute(nn.Linear(1, 1), {"x": torch.zeros(1, 1)}, torch.zeros(1, 1))
    latent = editing.Normal(Cosine())
    latent.latents = nn.Linear(1, 1)
    with pytest.raises(UsageError, match="another model's latents"):
        gentk.impute(latent, {"x": torch.zeros(1, 3)}, torch.zeros(1, 3))


def test_what_is_hidden_is_a_function_of_seed_and_row() -> None:
    many = hidden_at_random(torch.Size((500, 4, 5)), 0.3, seed=2)
    assert torch.equal(many[:7], hidden_at_random(torch.Size((7, 4, 5)), 0.3, seed=2))
    assert not torch.equal(many, hidden_at_random(torch.Size((500, 4, 5)), 0.3, seed=3))
    assert float(many.double().mean()) == pytest.approx(0.3, abs=0.02)
    assert bool((many <= hidden_at_random(torch.Size((500, 4, 5)), 0.6, seed=2)).all())  # more hides what less hid, and more
