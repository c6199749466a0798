# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-ddpm", "diffusers>=0.35"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-ddpm = { path = "../plugins/ddpm", editable = true }
# ///
"""Whole sampling of the network of DDPM for CIFAR-10 (35.7 million weights), the same weights here and in diffusers' pipeline.

    uv run benchmarks/sampling.py [--steps 50] [--batch 4] [--repeats 5] [--threads 2] [--compile] [--device cuda] [--dtype bfloat16]
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from pathlib import Path
from typing import Any

import torch
from interleaved import compare, report

import gentk
from gentk.gaussian.samplers import DDIM
from gentk.host.lookup import build_model
from gentk.protocols import DataSpec, Leaf
from gentk_ddpm.diffusers import write

IMAGES = DataSpec(modality="image", leaves={"x": Leaf(shape=(3, 32, 32), range=(-1, 1), levels=256)})


def contestants(options: argparse.Namespace) -> tuple[Any, Any]:
    """Our model and diffusers' pipeline with the same numbers, none of them zero."""
    from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline

    torch.manual_seed(0)
    model = build_model("ddpm", "ddpm", {}, IMAGES).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    model.recommended_sampler = DDIM(steps=options.steps)
    with tempfile.TemporaryDirectory() as place:
        write(model, Path(place))
        peer = DDPMPipeline.from_pretrained(place)
    scheduler = DDIMScheduler.from_config(peer.scheduler.config, timestep_spacing="trailing", clip_sample=False)
    pipeline = DDIMPipeline(peer.unet, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    dtype = getattr(torch, options.dtype)
    return model.to(options.device), pipeline.to(options.device, dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("steps", 50), ("batch", 4), ("repeats", 5), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--compile", action="store_true", help="Ours a second time, compiled.")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, pipeline = contestants(options)
    sampler = DDIM(steps=options.steps, clip=False)
    autocast = None if options.dtype == "float32" else torch.bfloat16

    def ours(made: Any) -> Any:
        return lambda: gentk.sample(made, options.batch, sampler=sampler, autocast=autocast)

    runs = {"gentk": ours(model), "diffusers": lambda: pipeline(options.batch, num_inference_steps=options.steps, output_type="np")}
    if options.compile:
        compiled = copy.deepcopy(model)
        compiled.net.compile(dynamic=False)
        runs["gentk, compiled"] = ours(compiled)
    title = f"DDIM, {options.steps} steps, batch {options.batch}, {options.dtype}"
    report(title, compare(runs, options.repeats), "diffusers")


if __name__ == "__main__":
    main()
