"""Wrappers around a denoiser."""

import pytest
import torch
from torch import Tensor

from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.gaussian.guidance import Autoguided, ClassifierGuided, Clipped, Guided, Thresholded, classifier_free, guided, met
from gentk.gaussian.samplers import DDIM
from gentk.gaussian.schedules import Cosine, Karras, Rectified
from gentk.gaussian.solvers import DPMpp2M
from gentk.noise import Philox
from gentk.protocols import Batch, DataSpec, Leaf, Prediction, Schedule
from tests.gaussian.analytic import DEVIATION, MEAN, Exact


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


def test_guidance_acts_between_its_noise_levels_only() -> None:
    x_t, cond = torch.randn(2, 1), {"label": torch.tensor([3, 7])}
    model = Pull()
    alpha, sigma = model.schedule(T)
    level = float(sigma / alpha)
    for interval, acts in (((0.9 * level, 1.1 * level), True), ((1.1 * level, 9.0), False), ((0.0, 0.9 * level), False)):
        p = Guided(model, 3.0, interval=interval).denoise(x_t, T, cond)
        assert p.x[:, 0].tolist() == ([-11, 1] if acts else [3, 7])


def test_rescale_brings_back_the_deviation_without_guidance() -> None:
    """Fully rescaled, each example's guess has the deviation of the conditional one; half, the mean of the two factors."""

    class Wide(Pull):
        data = DataSpec(modality="points", leaves={"x": Leaf(shape=(6,))})

        def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
            alpha, sigma = self.schedule(t)
            x = torch.linspace(-1, 1, 6, dtype=torch.float64) * (1 + cond["label"].to(x_t)[:, None])
            return Prediction(x, (x_t - alpha * x) / sigma)

    x_t, cond = torch.randn(2, 6, dtype=torch.float64), {"label": torch.tensor([1, 4])}
    plain, strong = Wide().denoise(x_t, T, cond).x, Guided(Wide(), 3.0).denoise(x_t, T, cond).x  # type: ignore[arg-type]
    whole, half = (Guided(Wide(), 3.0, rescale=r).denoise(x_t, T, cond) for r in (1.0, 0.5))  # type: ignore[arg-type]
    assert torch.allclose(whole.x.std(1), plain.std(1)) and torch.allclose(half.x, (whole.x + strong) / 2)
    alpha, sigma = Pull.schedule(T)
    assert torch.allclose(alpha * whole.x + sigma * whole.eps, x_t)


def test_dynamic_threshold_keeps_what_is_inside_and_scales_what_is_not() -> None:
    class Given(Pull):
        def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
            return Prediction(cond["label"], x_t)

    rows = torch.tensor([[0.5, -0.2, 0.1, 0.9], [4.0, -2.0, 1.0, 0.0]], dtype=torch.float64)
    p = Thresholded(Given(), -1.0, 1.0, 1.0).denoise(torch.zeros(2, 4, dtype=torch.float64), T, {"label": rows})  # type: ignore[arg-type]
    assert torch.allclose(p.x, torch.tensor([[0.5, -0.2, 0.1, 0.9], [1.0, -0.5, 0.25, 0.0]], dtype=torch.float64))
    shifted = Thresholded(Given(), 0.0, 2.0, 1.0).denoise(torch.zeros(2, 4, dtype=torch.float64), T, {"label": rows + 1})  # type: ignore[arg-type]
    assert torch.allclose(shifted.x, p.x + 1)


# ---------------------------------------------------------------- classifier guidance on a Gaussian, where all is known
OBSERVED, SPREAD = 1.1, 0.4  # y = x + N(0, 0.4²) was seen to be 1.1


class Observation:
    """log p(y | x_t) of the Gaussian of `Exact`, in closed form, on a schedule of its own."""

    conditions: dict[str, Label] = {}

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def evidence(self, x_t: Tensor, t: Tensor, cond: Batch) -> Tensor:
        alpha, sigma = self.schedule(t)
        total = (alpha * DEVIATION) ** 2 + sigma**2
        mean = (alpha * DEVIATION**2 * x_t + sigma**2 * MEAN) / total  # E[x | x_t]
        variance = SPREAD**2 + DEVIATION**2 * sigma**2 / total  # of y given x_t
        return (-((OBSERVED - mean) ** 2) / (2 * variance) - variance.log() / 2)[:, 0]


@pytest.mark.parametrize("theirs", [Cosine(), Rectified(), Karras(50.0)], ids=lambda s: type(s).__name__)
def test_classifier_guidance_is_the_denoiser_of_the_posterior(theirs: Schedule) -> None:
    """Bayes' rule: with the exact evidence and scale 1, guiding gives E[x | x_t, y] exactly, whatever the guide's own path."""
    model = Exact(Cosine())
    steered = ClassifierGuided(model, Observation(theirs), 1.0)  # type: ignore[arg-type]
    precision = 1 / DEVIATION**2 + 1 / SPREAD**2
    mean, variance = (MEAN / DEVIATION**2 + OBSERVED / SPREAD**2) / precision, 1 / precision
    for time in (0.1, 0.5, 0.9):
        t, x_t = torch.tensor(time, dtype=torch.float64), torch.randn(5, 1, dtype=torch.float64)
        alpha, sigma = model.schedule(t)
        exact = (alpha * variance * x_t + sigma**2 * mean) / (alpha**2 * variance + sigma**2)
        p = steered.denoise(x_t, t, {})
        assert torch.allclose(p.x, exact, rtol=1e-10, atol=1e-10)
        assert torch.allclose(alpha * p.x + sigma * p.eps, x_t)


def test_a_guided_sample_follows_the_posterior() -> None:
    from gentk.gaussian.solvers import Heun

    steered = guided(Exact(Cosine()), Observation(Rectified()), 1.0)
    *_, last = Heun(steps=200, clip=False)(steered, 3000, noise=Philox(0, range(3000)), cond={})
    precision = 1 / DEVIATION**2 + 1 / SPREAD**2
    assert float(last.x.mean()) == pytest.approx((MEAN / DEVIATION**2 + OBSERVED / SPREAD**2) / precision, abs=0.02)  # type: ignore[union-attr]
    assert float(last.x.std()) == pytest.approx(precision**-0.5, rel=0.05)  # type: ignore[union-attr]


def test_no_evidence_is_asked_at_the_ends() -> None:
    steered = ClassifierGuided(Exact(Cosine()), Observation(Cosine()), 5.0)  # type: ignore[arg-type]
    for end in (0.0, 1.0):
        t, x_t = torch.tensor(end, dtype=torch.float64), torch.randn(2, 1, dtype=torch.float64)
        assert all(map(torch.equal, steered.denoise(x_t, t, {}), Exact(Cosine()).denoise(x_t, t, {})))


class Votes(Observation):
    """Pushes x up by its label and one more; would fail for the null's number."""

    conditions = {"label": Label(classes=10)}

    def evidence(self, x_t: Tensor, t: Tensor, cond: Batch) -> Tensor:
        return x_t[:, 0] * torch.arange(1, 11, dtype=x_t.dtype)[cond["label"]]


def test_weight_zero_frees_the_model_and_not_its_classifier() -> None:
    """`--guidance 0 --guide`: the classifier alone hears the label; a row without one is not steered."""
    x_t, cond = torch.zeros(3, 1, dtype=torch.float64), {"label": torch.tensor([2, 4, 10])}
    alpha, sigma = Pull.schedule(T)
    free = classifier_free(ClassifierGuided(Pull(), Votes(Cosine()), 1.0), 0.0)  # type: ignore[arg-type]
    moved = free.denoise(x_t, T, cond).x[:, 0]
    assert torch.allclose(moved, 10 + sigma**2 / alpha * torch.tensor([3.0, 5.0, 0.0], dtype=torch.float64))


def test_equal_noise_levels_meet() -> None:
    """On another path the same state is the same x and ε, and its time is where σ/α is equal."""
    x, eps = torch.randn(4, 2, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    for ours, theirs in ((Cosine(), Karras(200.0)), (Karras(30.0), Rectified()), (Rectified(), Cosine())):
        t = torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64)
        alpha, sigma = ours(t)
        there, time = met(alpha[:, None] * x + sigma[:, None] * eps, t, ours, theirs)
        alpha, sigma = theirs(time)
        assert torch.allclose(there, alpha[:, None] * x + sigma[:, None] * eps)


def test_autoguidance_extrapolates_from_the_weaker_model() -> None:
    class Weak(Exact):
        def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
            p = super().denoise(x_t, t, cond)
            alpha, sigma = self.schedule(t)
            return Prediction(p.x + 0.25, p.eps - 0.25 * alpha / sigma)

    x_t = torch.randn(3, 1, dtype=torch.float64)
    strong = Exact(Cosine())
    p = guided(strong, Weak(Karras(80.0)), 3.0).denoise(x_t, T, {})
    alpha, sigma = strong.schedule(T)
    assert torch.allclose(p.x, strong.denoise(x_t, T, {}).x - 0.5) and torch.allclose(alpha * p.x + sigma * p.eps, x_t)
    assert torch.allclose(Autoguided(strong, Weak(Cosine()), 1.0).denoise(x_t, T, {}).x, strong.denoise(x_t, T, {}).x)  # type: ignore[arg-type]


def test_what_cannot_guide_says_so() -> None:
    with pytest.raises(UsageError, match="neither a classifier"):
        guided(Exact(Cosine()), object())
    with pytest.raises(UsageError, match="no Denoiser"):
        guided(object(), Exact(Cosine()))
