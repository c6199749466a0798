"""Our samplers and diffusers', in double precision, on one network with the same noise: the same to nine digits.

Where their algorithm has a bug, ours is compared with the paper's formula and theirs is shown to differ.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.guiders.guider_utils import rescale_noise_cfg
from torch import Tensor

from gentk.conditions import Label
from gentk.gaussian.samplers import DDIM, Ancestral, Consistency, Euler, GaussianSampler
from gentk.gaussian.schedules import Karras, LinearBeta, Rectified, ScaledLinearBeta, ZeroTerminal
from gentk.gaussian.solvers import DPMpp2M, DPMpp2MSDE, Heun, UniPC
from gentk.protocols import Batch, Prediction
from tests.gaussian.peers import F64, PRODUCT, TRAINED, Fake, Network, Peer, deviation, level, network, noises, ours, theirs

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # numpy 2, in their code

CLOSE = 1e-9
NAMES = {"eps": "epsilon", "v": "v_prediction", "x": "sample"}
KINDS = pytest.mark.parametrize("kind", ["eps", "v", "x"])
FREE: dict[str, Any] = {"clip_sample": False}
TOP, BOTTOM = (float(((1 - PRODUCT[i]) / PRODUCT[i]).sqrt()) for i in (-1, 0))  # σ/α at the chain's ends


def grid(steps: int, spacing: str = "trailing", kind: str = "eps", **options: Any) -> dict[str, Any]:
    return {"grid": {"num_inference_steps": steps}, "timestep_spacing": spacing, "prediction_type": NAMES[kind], **options}


def exploding(start: Tensor) -> Tensor:
    """A state at t = 1 of the chain as x/α, which is how their Euler schedulers hold it."""
    return start / PRODUCT[-1].sqrt()


# ---------------------------------------------------------------- tables
LINEAR: dict[str, Any] = {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 2e-2}
SCALED: dict[str, Any] = {"beta_schedule": "scaled_linear", "beta_start": 8.5e-4, "beta_end": 1.2e-2}


@pytest.mark.parametrize(("schedule", "options"), [
    (LinearBeta(), LINEAR),
    (ScaledLinearBeta(), SCALED),
    (ZeroTerminal("linear"), LINEAR | {"rescale_betas_zero_snr": True}),
    (ZeroTerminal("scaled-linear"), SCALED | {"rescale_betas_zero_snr": True}),
], ids=["linear", "scaled-linear", "zero-terminal", "zero-terminal-scaled"])  # fmt: skip
def test_tables(schedule: LinearBeta, options: dict[str, Any]) -> None:
    with Peer(diffusers.DDIMScheduler, **options) as scheduler:
        table = scheduler.alphas_cumprod
    assert table.dtype == F64
    alpha, sigma = schedule((torch.arange(TRAINED, dtype=F64) + 1) / TRAINED)
    assert torch.allclose(alpha**2, table, rtol=CLOSE, atol=0) and torch.allclose(sigma**2, 1 - table, rtol=CLOSE, atol=0)


def test_their_table_is_the_formula() -> None:
    with Peer(diffusers.DPMSolverMultistepScheduler) as scheduler:
        assert deviation(scheduler.alphas_cumprod, PRODUCT) < CLOSE
        assert deviation(scheduler.lambda_t, (PRODUCT / (1 - PRODUCT)).log() / 2) < CLOSE


# ---------------------------------------------------------------- first order
@KINDS
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_ddim(kind: str, spacing: str) -> None:
    start, mine = ours(DDIM(steps=50, spacing=spacing), Fake(LinearBeta(), kind), noises(1))
    assert deviation(mine, theirs(diffusers.DDIMScheduler, network(kind), start, **grid(50, spacing, kind), **FREE)) < CLOSE


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_ddim_with_fresh_noise(eta: float, spacing: str) -> None:
    draws = noises(51)
    start, mine = ours(DDIM(steps=50, spacing=spacing, eta=eta), Fake(LinearBeta()), draws)
    reference = theirs(diffusers.DDIMScheduler, network("eps"), start, draws=draws[1:], step={"eta": eta}, **grid(50, spacing), **FREE)
    assert deviation(mine, reference) < CLOSE


def test_ddim_clipped() -> None:
    """A clipped x̂ takes ε̂ with it, which of theirs must be asked for."""
    start, mine = ours(DDIM(steps=50), Fake(LinearBeta(), span=(-1, 1)), noises(1))
    reference = theirs(diffusers.DDIMScheduler, network("eps"), start, step={"use_clipped_model_output": True}, **grid(50))
    assert deviation(mine, reference) < CLOSE
    assert deviation(mine, ours(DDIM(steps=50), Fake(LinearBeta()), noises(1))[1]) > 1e-3


def paper_ddim(net: Network, x: Tensor, places: list[int]) -> Tensor:
    """Song et al. 2021, eq. 12 with σ = 0, along these timesteps and then to the data."""
    for here, there in pairwise([*places, -1]):
        a, b = PRODUCT[here], PRODUCT[there] if there >= 0 else torch.ones((), dtype=F64)
        eps = net(x, torch.tensor(here))
        x = b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps
    return x


@pytest.mark.parametrize(("spacing", "steps", "places"), [
    ("trailing", 13, [round(1000 - i * 1000 / 13) - 1 for i in range(13)]),
    ("linspace", 50, [round(999 - i * 999 / 49) for i in range(50)]),
])  # fmt: skip
def test_ddim_where_theirs_is_wrong(spacing: str, steps: int, places: list[int]) -> None:
    """Their step goes to timestep t - T // steps, which is the next one that is visited only if the spacing is `leading` or T / steps is
    whole: diffusers#9261, #11347, #12633."""
    start, mine = ours(DDIM(steps=steps, spacing=spacing), Fake(LinearBeta()), noises(1))
    exact = paper_ddim(network("eps"), start, places)
    assert deviation(mine, exact) < CLOSE
    assert deviation(theirs(diffusers.DDIMScheduler, network("eps"), start, **grid(steps, spacing), **FREE), exact) > 1e-3


@KINDS
@pytest.mark.parametrize("variance", ["fixed-small", "fixed-large"])
def test_ddpm(kind: str, variance: str) -> None:
    draws = noises(1000)
    start, mine = ours(Ancestral(steps=1000, variance=variance), Fake(LinearBeta(), kind), draws)
    options = grid(1000, kind=kind, variance_type=variance.replace("-", "_"), **FREE)
    assert deviation(mine, theirs(diffusers.DDPMScheduler, network(kind), start, draws=draws[1:], **options)) < CLOSE


@pytest.mark.parametrize("variance", ["fixed-small", "fixed-large"])
def test_ddpm_clipped_in_fewer_steps(variance: str) -> None:
    """`leading`, as it ends at timestep 0."""
    draws = noises(13)
    start, mine = ours(Ancestral(steps=13, spacing="leading", variance=variance), Fake(LinearBeta(), span=(-1, 1)), draws)
    options = grid(13, "leading", variance_type=variance.replace("-", "_"))
    assert deviation(mine, theirs(diffusers.DDPMScheduler, network("eps"), start, draws=draws[1:], **options)) < CLOSE


def paper_ddpm(net: Network, draws: Tensor, x: Tensor, places: list[int]) -> Tensor:
    """Ho et al. 2020, alg. 2, on a chain of these timesteps alone, with the large variance β = 1 - ᾱ_t/ᾱ_s; the last z is 0."""
    for (here, there), z in zip(pairwise([*places, -1]), [*draws, torch.zeros_like(x)], strict=True):
        a, b = PRODUCT[here], PRODUCT[there] if there >= 0 else torch.ones((), dtype=F64)
        mean = (x - (1 - a / b) / (1 - a).sqrt() * net(x, torch.tensor(here))) / (a / b).sqrt()
        x = mean + (1 - a / b).sqrt() * z
    return x


def test_ddpm_where_theirs_is_wrong() -> None:
    """They leave the noise away at timestep 0, not at the last one visited, which is another one where `trailing` skips some."""
    draws, places = noises(20), [round(1000 - i * 50) - 1 for i in range(20)]
    start, mine = ours(Ancestral(steps=20, variance="fixed-large"), Fake(LinearBeta()), draws)
    exact = paper_ddpm(network("eps"), draws[1:], start, places)
    assert deviation(mine, exact) < CLOSE
    options = grid(20, variance_type="fixed_large", **FREE)
    assert deviation(theirs(diffusers.DDPMScheduler, network("eps"), start, draws=noises(21)[1:], **options), exact) > 1e-3


@pytest.mark.parametrize("kind", ["eps", "v"])
def test_euler(kind: str) -> None:
    start, mine = ours(Euler(steps=20), Fake(LinearBeta(), kind), noises(1))
    assert deviation(mine, theirs(diffusers.EulerDiscreteScheduler, network(kind), exploding(start), **grid(20, kind=kind))) < CLOSE


@pytest.mark.parametrize("kind", ["eps", "v"])
@pytest.mark.parametrize("sampler", [DDIM(steps=20, eta=1), Ancestral(steps=20)], ids=["ddim", "ancestral"])
def test_euler_ancestral(sampler: GaussianSampler, kind: str) -> None:
    draws = noises(21)
    start, mine = ours(sampler, Fake(LinearBeta(), kind), draws)
    peer = diffusers.EulerAncestralDiscreteScheduler
    assert deviation(mine, theirs(peer, network(kind), exploding(start), draws=draws[1:], **grid(20, kind=kind))) < CLOSE


# ---------------------------------------------------------------- higher order
@KINDS
@pytest.mark.parametrize("steps", [20, 10])
def test_dpmpp_2m(kind: str, steps: int) -> None:
    """The only step of lower order is the last one, where λ is infinite; theirs takes another with fewer than 15 steps if not told."""
    start, mine = ours(DPMpp2M(steps=steps), Fake(LinearBeta(), kind), noises(1))
    options = grid(steps, kind=kind, lower_order_final=False)
    assert deviation(mine, theirs(diffusers.DPMSolverMultistepScheduler, network(kind), start, **options)) < CLOSE


@KINDS
def test_dpmpp_2m_sde(kind: str) -> None:
    draws = noises(21)
    start, mine = ours(DPMpp2MSDE(steps=20), Fake(LinearBeta(), kind), draws)
    options = grid(20, kind=kind, algorithm_type="sde-dpmsolver++", solver_type="midpoint")
    assert deviation(mine, theirs(diffusers.DPMSolverMultistepScheduler, network(kind), start, draws=draws[1:], **options)) < CLOSE


@KINDS
@pytest.mark.parametrize("steps", [20, 8])
def test_unipc(kind: str, steps: int) -> None:
    start, mine = ours(UniPC(steps=steps), Fake(LinearBeta(), kind), noises(1))
    options = grid(steps, kind=kind, solver_order=2, solver_type="bh2", predict_x0=True)
    assert deviation(mine, theirs(diffusers.UniPCMultistepScheduler, network(kind), start, **options)) < CLOSE


# ---------------------------------------------------------------- spacings
@pytest.mark.parametrize("spacing", ["karras", "exponential"])
@pytest.mark.parametrize(("sampler", "peer"), [
    (DPMpp2M, diffusers.DPMSolverMultistepScheduler),
    (UniPC, diffusers.UniPCMultistepScheduler),
    (Euler, diffusers.EulerDiscreteScheduler),
], ids=["dpmpp-2m", "unipc", "euler"])  # fmt: skip
def test_steps_of_the_noise_level(sampler: Any, peer: type, spacing: str) -> None:
    """Between two timesteps of the chain they interpolate log σ/α where we interpolate log ᾱ, and some of them then round or cut the
    timestep; so here the network is told the noise level itself, and the times are compared as far as they can be."""
    asked: dict[str, Any] = {f"use_{spacing}_sigmas": True}
    model = Fake(LinearBeta(), levels=level)
    start, mine = ours(sampler(steps=20, spacing=spacing), model, noises(1))
    begin = exploding(start) if sampler is Euler else start
    # `linspace`, as their Euler takes the ends of the levels from that spacing's timesteps
    assert deviation(mine, theirs(peer, network("eps", level), begin, told="level", **grid(20, "linspace", **asked))) < CLOSE
    times = sampler(steps=20, spacing=spacing).times(model)[:-1]
    alpha, sigma = model.schedule(times)
    with Peer(peer, **asked) as scheduler:
        scheduler.set_timesteps(20)
        assert deviation(sigma / alpha, scheduler.sigmas[:-1]) < CLOSE
        assert float((times * TRAINED - 1 - scheduler.timesteps).abs().max()) < 1


# ---------------------------------------------------------------- flow matching, consistency
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_matching(shift: float) -> None:
    start, mine = ours(Euler(steps=20, spacing="shift", shift=shift), Fake(Rectified(), "velocity"), noises(1))
    options: dict[str, Any] = {"shift": shift, "grid": {"sigmas": np.linspace(1, 1 / 20, 20)}}  # what the pipelines of SD3 and Flux ask for
    assert deviation(mine, theirs(diffusers.FlowMatchEulerDiscreteScheduler, network("velocity"), start, **options)) < CLOSE


def test_stochastic_flow_matching() -> None:
    draws = noises(5)
    start, mine = ours(Consistency(steps=4, spacing="shift"), Fake(Rectified(), "velocity"), draws)
    options: dict[str, Any] = {"shift": 3.0, "grid": {"sigmas": np.linspace(1, 1 / 4, 4)}, "stochastic_sampling": True}
    peer = diffusers.FlowMatchEulerDiscreteScheduler
    assert deviation(mine, theirs(peer, network("velocity"), start, draws=draws[1:], **options)) < CLOSE


class Boundary(Fake):
    """The network of a latent consistency model: x̂ is c_out x̂ + c_skip x_t, with c_skip = 1 at timestep 0 (Luo et al. 2023, eq. 9)."""

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        p, far = super().denoise(x_t, t, cond), 10 * self.form.clock(self.schedule, t)
        x = far / (far**2 + 0.25).sqrt() * p.x + 0.25 / (far**2 + 0.25) * x_t
        alpha, sigma = self.schedule(t)
        return Prediction(x, (x_t - alpha * x) / sigma)


@KINDS
@pytest.mark.parametrize("steps", [1, 4])
def test_latent_consistency(kind: str, steps: int) -> None:
    draws = noises(steps)
    start, mine = ours(Consistency(steps=steps), Boundary(LinearBeta(), kind), draws)
    options = LINEAR | {"original_inference_steps": 8, "prediction_type": NAMES[kind], "grid": {"num_inference_steps": steps}}
    assert deviation(mine, theirs(diffusers.LCMScheduler, network(kind), start, draws=draws[1:], **options)) < CLOSE


# ---------------------------------------------------------------- Heun: the exploding path and straight lines
@pytest.mark.parametrize("spacing", ["karras", "exponential"])
def test_heun(spacing: str) -> None:
    """On α = 1 with the chain's noise levels, which is how their Heun scheduler holds the chain."""
    model = Fake(Karras(TOP), levels=level, times=(BOTTOM / TOP, 1.0))
    start, mine = ours(Heun(steps=20, spacing=spacing), model, noises(1))
    options = grid(20, "linspace", **LINEAR, **{f"use_{spacing}_sigmas": True})
    assert deviation(mine, theirs(diffusers.HeunDiscreteScheduler, network("eps", level), start, told="level", **options)) < CLOSE


def test_heun_on_straight_lines() -> None:
    """Their spacing is from 1 to 1/T in equal steps, and then to 0; a shift is applied to its lower end twice, so here is none."""
    start, mine = ours(Heun(steps=20, spacing="linspace"), Fake(Rectified(), "velocity", times=(1 / TRAINED, 1.0)), noises(1))
    peer = diffusers.FlowMatchHeunDiscreteScheduler
    assert deviation(mine, theirs(peer, network("velocity"), start, grid={"num_inference_steps": 20})) < CLOSE


EDM: dict[str, Any] = {"schedule": Karras(80.0), "kind": "edm", "times": (0.002 / 80, 1.0)}


def test_edm_euler() -> None:
    """They tell the network ln σ / 4, as the paper does; we a thousand times that, as every other clock runs to 1000."""
    start, mine = ours(Euler(steps=20, spacing="karras"), Fake(**EDM), noises(1))
    net = network("edm")
    options: dict[str, Any] = {"prediction_type": "epsilon", "grid": {"num_inference_steps": 20}}
    assert deviation(mine, theirs(diffusers.EDMEulerScheduler, lambda x, clock: net(x, 1000 * clock), start, **options)) < CLOSE


def test_edm_heun() -> None:
    """Karras et al. 2022, alg. 1 with table 1; diffusers has no Heun for EDM's preconditioning."""
    start, mine = ours(Heun(steps=18, spacing="karras"), Fake(**EDM), noises(1))
    net, x = network("edm"), start

    def slope(x: Tensor, s: float) -> Tensor:
        norm = math.hypot(s, 0.5)
        out = net(x / norm, torch.tensor(250 * math.log(s), dtype=F64))
        return (x - (0.5 / norm) ** 2 * x - s * 0.5 / norm * out) / s

    root, end = 80 ** (1 / 7), 0.002 ** (1 / 7)
    for s, r in pairwise([*((root + i / 17 * (end - root)) ** 7 for i in range(18)), 0.0]):
        d = slope(x, s)
        x = x + (r - s) * ((d + slope(x + (r - s) * d, r)) / 2 if r else d)
    assert deviation(mine, x) < CLOSE


# ---------------------------------------------------------------- zero terminal SNR, guidance, threshold
@pytest.mark.parametrize("kind", ["v", "x"])
def test_ddim_from_pure_noise(kind: str) -> None:
    start, mine = ours(DDIM(steps=50), Fake(ZeroTerminal("linear"), kind), noises(1))
    assert torch.equal(start, noises(1)[0])
    options = grid(50, kind=kind, rescale_betas_zero_snr=True, **FREE)
    assert deviation(mine, theirs(diffusers.DDIMScheduler, network(kind), start, **options)) < CLOSE


class Labelled(Fake):
    """The label, 0 … 9, or 10 for none, moves what the network sees."""

    conditions = {"label": Label(classes=10, dropout=True)}

    def ask(self, x_t: Tensor, t: Tensor, cond: Batch) -> Tensor:
        return super().ask(moved(x_t, cond["label"]), t, cond)


def moved(x: Tensor, label: Tensor) -> Tensor:
    return x + label.to(x).view(-1, 1, 1, 1) / 10


@pytest.mark.parametrize("rescale", [0.0, 0.7, 1.0])
def test_classifier_free_guidance_rescaled(rescale: float) -> None:
    """Lin et al. 2024, §3.4. They rescale whatever the network puts out, we the guess of the data; so here they are the same."""
    asked, net = torch.tensor([2, 7]), network("x")

    def guided(x: Tensor, clock: Tensor) -> Tensor:
        positive, negative = net(moved(x, asked), clock), net(moved(x, torch.tensor([10, 10])), clock)
        extrapolated = negative + 3 * (positive - negative)
        return rescale_noise_cfg(extrapolated, positive, guidance_rescale=rescale)  # type: ignore[no-any-return]

    start, mine = ours(DDIM(steps=20, guidance=3, guidance_rescale=rescale), Labelled(LinearBeta(), "x"), noises(1), {"label": asked})
    assert deviation(mine, theirs(diffusers.DDIMScheduler, guided, start, **grid(20, kind="x"), **FREE)) < CLOSE


def test_dynamic_threshold() -> None:
    """Theirs has a ceiling for the quantile, by default 1, at which it only clips."""
    draws = noises(50)
    model = Fake(LinearBeta(), span=(-1, 1))
    start, mine = ours(Ancestral(steps=50, spacing="leading", threshold=0.8), model, draws)
    options = grid(50, "leading", thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=1e9)
    assert deviation(mine, theirs(diffusers.DDPMScheduler, network("eps"), start, draws=draws[1:], **options)) < CLOSE
    assert deviation(mine, ours(Ancestral(steps=50, spacing="leading"), model, draws)[1]) > 1e-3  # not the same as clipping
