"""Schedulers of diffusers as paths and samplers of ours: same tables in double precision, same draws from the same noise."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

import gentk
from gentk_ddpm import diffusers as ours
from gentk_ddpm.config import DDPMConfig
from tests.tools.pipelines import SMALL, nested, unet


def quietly(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ours.read(folder)


def alphas(schedule: Any) -> torch.Tensor:
    table: torch.Tensor = schedule((torch.arange(schedule.steps, dtype=torch.float64) + 1) / schedule.steps)[0].square()
    return table


def table64(about: Any) -> torch.Tensor:
    """ᾱ of a scheduler's config in double precision, written anew from the papers."""
    steps = about.num_train_timesteps
    if about.trained_betas is not None:
        betas = torch.tensor(about.trained_betas, dtype=torch.float64)
    elif about.beta_schedule == "linear":
        betas = torch.linspace(about.beta_start, about.beta_end, steps, dtype=torch.float64)
    elif about.beta_schedule == "scaled_linear":
        betas = torch.linspace(about.beta_start**0.5, about.beta_end**0.5, steps, dtype=torch.float64) ** 2
    elif about.beta_schedule == "sigmoid":
        betas = torch.linspace(-6, 6, steps, dtype=torch.float64).sigmoid() * (about.beta_end - about.beta_start) + about.beta_start
    else:
        edge = torch.cos(math.pi / 2 * (torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008) ** 2
        betas = (1 - edge[1:] / edge[:-1]).clamp(max=0.999)
    kept = (1 - betas).cumprod(0)
    if about.rescale_betas_zero_snr:
        root = kept.sqrt()
        kept = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    return kept


PATHS: dict[str, dict[str, Any]] = {
    "linear": {},
    "short": {"num_train_timesteps": 100, "beta_start": 1e-3, "beta_end": 0.2},
    "scaled": {"beta_schedule": "scaled_linear", "beta_start": 8.5e-4, "beta_end": 0.012},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
    "sigmoid": {"beta_schedule": "sigmoid"},
    "trained": {"trained_betas": [0.001 * (i + 1) for i in range(50)], "num_train_timesteps": 50},
    "zero terminal": {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
    "zero terminal, scaled": {"rescale_betas_zero_snr": True, "beta_schedule": "scaled_linear", "prediction_type": "sample"},
    "zero terminal, cosine": {"rescale_betas_zero_snr": True, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"},
}


@pytest.mark.parametrize("name", PATHS)
def test_tables_there_and_back(name: str) -> None:
    theirs = diffusers.DDPMScheduler(**PATHS[name])
    path = ours.paths.read(dict(theirs.config) | {"_class_name": "DDPMScheduler"}, "s")
    schedule = gentk.schedule(path.config["schedule"], **path.config["schedule_options"])
    assert float((alphas(schedule) - theirs.alphas_cumprod.double()).abs().max()) <= 1e-6
    assert float((alphas(schedule) - table64(theirs.config)).abs().max()) <= 1e-12
    config = DDPMConfig(**path.config)
    back = diffusers.DDPMScheduler.from_config(ours.paths.write(config, gentk.sampler(path.sampler, **path.options)))
    assert float((back.alphas_cumprod - theirs.alphas_cumprod).abs().max()) <= 1e-6
    assert back.config.prediction_type == theirs.config.prediction_type


class Recorded:
    """Noise that both sides draw: torch's generator, in order."""

    device = torch.device("cpu")

    def __init__(self, n: int) -> None:
        self.n, self.generator = n, torch.Generator().manual_seed(3)

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(self.n, *shape, generator=self.generator)


DRAWS: dict[str, tuple[type, dict[str, Any], int]] = {  # (class, config, steps)
    "ddpm": (diffusers.DDPMScheduler, {}, 8),
    "ddpm, large, no clip": (diffusers.DDPMScheduler, {"variance_type": "fixed_large", "clip_sample": False}, 8),
    "ddpm, trailing, x": (diffusers.DDPMScheduler, {"timestep_spacing": "trailing", "prediction_type": "sample"}, 8),
    "ddim, clipped noise": (diffusers.DDIMScheduler, {}, 8),
    "ddim, no clip": (diffusers.DDIMScheduler, {"clip_sample": False}, 8),
    "ddim, v": (diffusers.DDIMScheduler, {"timestep_spacing": "trailing", "prediction_type": "v_prediction"}, 8),
    "ddim, zero terminal": (
        diffusers.DDIMScheduler,
        {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"},
        8,
    ),
    "dpm": (diffusers.DPMSolverMultistepScheduler, {"timestep_spacing": "trailing"}, 8),
    "unipc": (diffusers.UniPCMultistepScheduler, {"timestep_spacing": "trailing"}, 8),
    "euler": (diffusers.EulerDiscreteScheduler, {"timestep_spacing": "trailing"}, 8),
    "euler ancestral": (diffusers.EulerAncestralDiscreteScheduler, {"timestep_spacing": "trailing"}, 8),
}


@pytest.fixture(scope="module")
def trained() -> Any:
    """A network with outputs of about unit size, so that the draws stay in range."""
    net = unet(**SMALL)
    with torch.no_grad():
        net.conv_out.weight *= 0.05
    return net


@pytest.mark.parametrize("name", DRAWS)
def test_the_recommended_sampler_draws_what_the_scheduler_does(name: str, trained: Any, tmp_path: Path) -> None:
    kind, about, steps = DRAWS[name]
    model = quietly(nested(trained, kind(**about), tmp_path))
    sampler = model.recommended_sampler.model_copy(update={"steps": steps})
    with torch.no_grad():
        *_, last = sampler(model, 2, noise=Recorded(2), cond={})
        theirs, generator = kind(**about), torch.Generator().manual_seed(3)
        theirs.set_timesteps(steps)
        first = model.schedule(sampler.times(model)[0])[1]  # theirs begins with unit noise, ours with that of the path's end
        x = torch.randn(2, 3, 8, 8, generator=generator) * (theirs.init_noise_sigma if "euler" in name else first)
        more = {"generator": generator} if "euler" in name or "ddpm" in name else {}
        more |= {"use_clipped_model_output": True} if "ddim" in name else {}  # without it, theirs keeps the noise of the unclipped guess
        for t in theirs.timesteps:
            x = theirs.step(trained(theirs.scale_model_input(x, t), t).sample, t, x, **more).prev_sample
    assert float((last.x - x).abs().max() / x.abs().max()) <= 1e-5, float((last.x - x).abs().max() / x.abs().max())


def test_flow_matching_there_and_back(trained: Any, tmp_path: Path) -> None:
    """A euler step of straight lines: x + (s − t) u, the network told 1000 t."""
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    model = ours.read(nested(trained, theirs, tmp_path / "a"))
    assert model.config.schedule == "rectified" and model.recommended_sampler.shift == 3
    theirs.set_timesteps(8)
    x, t = torch.randn(2, 3, 8, 8), theirs.timesteps[3]
    for _ in range(3):
        theirs._init_step_index(t)
    with torch.no_grad():
        want = theirs.step(trained(x, t).sample, t, x).prev_sample
        here, there = (theirs.sigmas[i].double() for i in (3, 4))
        p = model.denoise(x, here, {})
    assert float(((1 - there) * p.x + there * p.eps - want).abs().max() / want.abs().max()) <= 1e-5
    (tmp_path / "b").mkdir()
    ours.write(model, tmp_path / "b")
    assert diffusers.DDPMPipeline.from_pretrained(tmp_path / "b").scheduler.config.shift == 3


@pytest.mark.parametrize(
    ("about", "word"),
    [
        ({"_class_name": "PNDMScheduler"}, "PNDMScheduler"),
        ({"_class_name": "DDIMScheduler", "steps_offset": 1}, "steps_offset"),
        ({"_class_name": "DDIMScheduler", "clip_sample": True}, "clip_sample"),
        ({"_class_name": "DDIMScheduler", "set_alpha_to_one": False}, "set_alpha_to_one"),
        ({"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3}, "solver_order"),
        ({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"}, "algorithm_type"),
        ({"_class_name": "UniPCMultistepScheduler", "solver_type": "bh1"}, "solver_type"),
        ({"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": True}, "use_beta_sigmas"),
    ],
)
def test_a_sampler_that_is_only_close_is_said(about: dict[str, Any], word: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ours.paths.read(about, "s")
    assert any(word in str(w.message) for w in caught)


def test_settings_of_the_solver_reach_the_sampler() -> None:
    """And the defaults of each class need no note. `variance` stands where there is fresh noise."""
    read = ours.paths.read
    stochastic = {"DDPM", "EulerAncestralDiscrete"}
    kinds = {*stochastic, "DPMSolverMultistep", "UniPCMultistep", "EulerDiscrete", "FlowMatchEulerDiscrete"}
    said = {kind: json.loads(getattr(diffusers, f"{kind}Scheduler")().to_json_string()) for kind in kinds}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert {kind for kind, about in said.items() if "variance" in read(about, kind).options} == stochastic
        sde = {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True}
        assert read(sde, "s").sampler == "dpmpp-2m-sde" and read(sde, "s").options["spacing"] == "karras"
        large = {"_class_name": "DDPMScheduler", "variance_type": "fixed_large_log", "clip_sample": False, "num_train_timesteps": 40}
        assert read(large, "s").options == {"steps": 40, "spacing": "leading", "clip": False, "variance": "fixed-large"}
        assert read({"_class_name": "DDPMScheduler", "predict_epsilon": False}, "s").config["prediction"] == "x"
        converted = {"_class_name": "UniPCMultistepScheduler", "skip_prk_steps": True, "clip_sample": False, "variance_type": "fixed_small"}
        assert read(converted, "s").sampler == "unipc"  # keys of other classes, as diffusers keeps them
