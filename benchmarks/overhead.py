# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "diffusers>=0.35", "scipy"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# ///
"""What a sampler itself costs per step: a network that is free, against diffusers' scheduler, both from the same given noise.

    uv run benchmarks/overhead.py
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import diffusers
import torch
from interleaved import compare, report
from torch import Tensor, nn

import gentk
from gentk.gaussian.predictions import Eps
from gentk.gaussian.samplers import DDIM, Euler, GaussianSampler
from gentk.gaussian.schedules import LinearBeta
from gentk.gaussian.solvers import DPMpp2M, Heun, UniPC
from gentk.protocols import Batch, DataSpec, Leaf, Prediction

STEPS = 50
PAIRS: list[tuple[GaussianSampler, Any, dict[str, Any]]] = [
    (DDIM(steps=STEPS, clip=False), diffusers.DDIMScheduler, {"clip_sample": False}),
    (Euler(steps=STEPS, clip=False), diffusers.EulerDiscreteScheduler, {}),
    (DPMpp2M(steps=STEPS, clip=False), diffusers.DPMSolverMultistepScheduler, {}),
    (UniPC(steps=STEPS, clip=False), diffusers.UniPCMultistepScheduler, {}),
    (Heun(steps=STEPS, clip=False), diffusers.HeunDiscreteScheduler, {}),
]


class Free(nn.Module):
    """A denoiser whose network answers at once with the same ε."""

    Config = config = None
    conditions: dict[str, Any] = {}
    times = (0.0, 1.0)

    def __init__(self, eps: Tensor) -> None:
        super().__init__()
        self.schedule, self.eps, self.anchor = LinearBeta(), eps, nn.Parameter(torch.zeros(()))
        self.data = DataSpec(modality="image", leaves={"x": Leaf(shape=tuple(eps.shape[1:]))})

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        return Eps().read(self.eps, x_t, self.schedule, t)


def theirs(scheduler: Any, eps: Tensor, noise: Tensor) -> Callable[[], Tensor]:
    @torch.no_grad()
    def run() -> Tensor:
        scheduler.set_timesteps(STEPS)
        x = noise * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            scheduler.scale_model_input(x, t)
            x = scheduler.step(eps, t, x, return_dict=False)[0]
        return x

    return run


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for shape in ((1, 1, 1, 1), (4, 3, 32, 32), (16, 3, 32, 32)):
        eps, noise = torch.randn(shape), torch.randn(shape)
        model = Free(eps).eval()
        for sampler, kind, options in PAIRS:
            scheduler = kind(num_train_timesteps=1000, beta_schedule="linear", timestep_spacing="trailing", **options)
            contestants = {
                "gentk": lambda sampler=sampler, model=model, noise=noise: gentk.sample(model, len(noise), sampler=sampler, noise=noise),
                "diffusers": theirs(scheduler, eps, noise),
            }
            report(f"{type(sampler).__name__} {shape}", compare(contestants, 25), "diffusers", unit=1e-6 * STEPS, name="µs/step")


if __name__ == "__main__":
    main()
