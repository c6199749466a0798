# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-classical", "gentk-ddpm", "gentk-vae", "scikit-learn>=1.6", "threadpoolctl"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-classical = { path = "../plugins/classical", editable = true }
# gentk-ddpm = { path = "../plugins/ddpm", editable = true }
# gentk-vae = { path = "../plugins/vae", editable = true }
# ///
"""Drawing many samples: a mixture's points against scikit-learn, and networks' samples against plain loops around the same networks.

    uv run benchmarks/drawing.py [--repeats 3] [--threads 2] [--only mixture|points|digits|denoiser|noise] [--device cpu]

The plain loops draw from torch's generator, all samples in batches of one size, and keep nothing but the result.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from interleaved import compare, report
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import Tensor

import gentk
from gentk.host.lookup import build_model
from gentk.noise import Philox
from gentk.protocols import DataSpec, Leaf

Runs = dict[str, Callable[[], object]]
POINTS = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})


def mixture(device: str) -> Runs:
    """A million points of eight full Gaussians in the plane."""
    random = np.random.default_rng(0)
    means, shapes = random.normal(size=(8, 2)) * 3, random.normal(size=(8, 2, 2))
    covariances = shapes @ shapes.transpose(0, 2, 1) + 0.1 * np.eye(2)
    model = build_model("classical", "gmm", {"components": 8, "covariance": "full"}, POINTS).to(device)
    model.means.copy_(torch.from_numpy(means)[None])
    model.root.copy_(model.kind.factor(torch.from_numpy(covariances))[None])
    peer = GaussianMixture(8)
    peer.weights_, peer.means_, peer.covariances_ = np.full(8, 1 / 8), means, covariances
    return {"gentk": lambda: gentk.sample(model, 1_000_000), "scikit-learn": lambda: peer.sample(1_000_000)}


@torch.no_grad()
def multistep(ask: Callable[[Tensor, Tensor], Tensor], x: Tensor, levels: list[float], data: float) -> Tensor:
    """DPM-Solver++(2M) on EDM's path, as one writes it by hand; `ask` is the network."""
    before: tuple[Tensor, float] | None = None
    for s, to in pairwise([*levels, 0.0]):
        norm = math.sqrt(s * s + data * data)
        out = ask(x / norm, torch.full((len(x),), 250 * math.log(s), device=x.device))
        guess = (data / norm) ** 2 * x + s * data / norm * out
        if to == 0:
            return guess
        h = math.log(s / to)
        ahead = guess if before is None else guess + (guess - before[0]) * (h / (2 * before[1]))
        x = to / s * x + (1 - to / s) * ahead
        before = guess, h
    return x


def levels(low: float, high: float, rho: float, steps: int) -> list[float]:
    return [(high ** (1 / rho) + i / (steps - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho for i in range(steps)]


def points(device: str) -> Runs:
    """100,000 points of `ddpm/swiss-roll`, 40 steps."""
    model = gentk.load("ddpm/swiss-roll").to(device)

    def plain() -> Tensor:
        parts = (20.0 * torch.randn(100_000, 2, device=device)).split(4096)
        return torch.cat([multistep(lambda x, c: model.net(x, c, None), part, levels(0.003, 20, 7, 40), 1.0) for part in parts]).cpu()

    return {"gentk": lambda: gentk.sample(model, 100_000), "plain loop": plain}


def digits(device: str) -> Runs:
    """20,000 digits of `vae/mnist`: latents, decoder, and the noise of its likelihood."""
    model = gentk.load("vae/mnist").to(device)

    @torch.no_grad()
    def plain() -> Tensor:
        parts = []
        for _ in range(20):
            logits = model.decoder(torch.randn(1000, model.config.latent, device=device))
            parts.append(torch.bernoulli(logits.sigmoid()).mul_(2).sub_(1).cpu())
        return torch.cat(parts)

    return {"gentk": lambda: gentk.sample(model, 20_000), "plain loop": plain}


def denoiser(device: str) -> Runs:
    """16 digits of `ddpm/mnist`, 12 steps with guidance."""
    model = gentk.load("ddpm/mnist").to(device)

    def plain() -> Tensor:
        label = torch.randint(10, (16,), device=device)
        both = torch.cat([label, torch.full_like(label, 10)])

        def ask(x: Tensor, clock: Tensor) -> Tensor:
            given, none = model.net(torch.cat([x, x]), torch.cat([clock, clock]), both).chunk(2)
            return none + 1.5 * (given - none)

        return multistep(ask, 20.0 * torch.randn(16, 1, 28, 28, device=device), levels(0.05, 20, 5, 12), 0.6).clamp(-1, 1).cpu()

    return {"gentk": lambda: gentk.sample(model, 16), "plain loop": plain}


def noise(device: str) -> Runs:
    """Ten draws of two normals for 100,000 rows."""

    def ours() -> None:
        streams = Philox(0, range(100_000), device)
        for _ in range(10):
            streams.normal(2)

    return {"gentk": ours, "plain loop": lambda: [torch.randn(100_000, 2, device=device) for _ in range(10)]}


def main() -> None:
    kinds: dict[str, Any] = {kind.__name__: kind for kind in (mixture, points, digits, denoiser, noise)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=kinds, action="append")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.only or kinds:
        runs = kinds[name](options.device)
        with threadpool_limits(options.threads):
            report(kinds[name].__doc__, compare(runs, options.repeats), list(runs)[-1])


if __name__ == "__main__":
    main()
