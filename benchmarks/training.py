# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-ddpm", "gentk-vae"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-vae = { path = "../plugins/vae", editable = true }
# gentk-ddpm = { path = "../plugins/ddpm", editable = true }
# ///
"""The trainer (EMA, clipping, logs, seeded rounds, a round that can be taken back) against a plain loop of the same model and optimizer.

    uv run benchmarks/training.py [--only denoiser|vae|gan] [--rounds 20] [--repeats 5] [--threads 2] [--batch 64] [--compile]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from interleaved import compare, report
from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn.functional import softplus

from gentk.compiling import Compiled
from gentk.host.lookup import build_model
from gentk.protocols import DataSpec, Leaf, Phase
from gentk.recipes import TrainingPart
from gentk.training.trainer import Trainer

IMAGES = DataSpec(
    modality="image",
    leaves={"x": Leaf(shape=(1, 28, 28), range=(-1, 1), levels=256)},
    conditions={"label": Leaf(classes=10)},
)
BITS = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 28, 28), range=(-1, 1), levels=2)})
CONFIG = {"channels": [32, 64], "layers": 1, "attention": [False, False], "groups": 8, "patch": 2, "scale_shift": True, "head_dim": 16}


class Nothing(BaseModel):
    """No settings."""


class Gan(nn.Module):
    """DCGAN's two phases (Radford et al. 2016) with the logistic loss: four convolutions on each side."""

    Config, config, conditions, ema = Nothing, Nothing(), dict[str, Any](), ("generator",)

    def __init__(self) -> None:
        super().__init__()
        self.data = IMAGES

        def up(inputs: int, outputs: int, *place: int) -> list[nn.Module]:
            return [nn.ConvTranspose2d(inputs, outputs, *place, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

        def down(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(0.2)]

        self.generator = nn.Sequential(*up(64, 128, 7, 1, 0), *up(128, 64, 4, 2, 1), nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh())
        self.critic = nn.Sequential(*down(1, 64), *down(64, 128), nn.Flatten(), nn.Linear(128 * 49, 1))

    def phases(self) -> tuple[Phase, ...]:
        return Phase("critic", ("critic",)), Phase("generator", ("generator",))

    def loss(self, batch: Mapping[str, Tensor], phase: str, step: int) -> dict[str, Any]:
        made = self.generator(torch.randn(len(batch["x"]), 64, 1, 1, device=batch["x"].device))
        if phase == "generator":
            return {"loss": softplus(-self.critic(made)).mean()}
        return {"loss": (softplus(self.critic(made)) + softplus(-self.critic(batch["x"]))).mean()}


MODELS: dict[str, Callable[[], Any]] = {
    "denoiser": lambda: build_model("ddpm", "ddpm", CONFIG, IMAGES),
    "vae": lambda: build_model("vae", "vae", {"net": "dense", "widths": [512, 256], "latent": 2}, BITS),
    "gan": Gan,
}


class Noise:
    """4,096 random images with labels: what is timed is the trainer, not the disk."""

    spec = IMAGES

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x, self.label = torch.rand(4096, 1, 28, 28, generator=generator) * 2 - 1, torch.randint(10, (4096,), generator=generator)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": self.x[index], "label": self.label[index]}

    def batch(self, indices: Any, noise: Any = None) -> dict[str, torch.Tensor]:
        rows = torch.as_tensor(indices).to(self.x.device, non_blocking=True)
        return {"x": self.x[rows], "label": self.label[rows]}

    @property
    def nbytes(self) -> int:
        return self.x.nbytes + self.label.nbytes

    def to(self, device: torch.device) -> Noise:
        moved = Noise()
        moved.x, moved.label = self.x.to(device), self.label.to(device)
        return moved


def plain(make: Callable[[], Any], data: Noise, options: argparse.Namespace) -> Callable[[], None]:
    """What one writes by hand: a shuffled batch, and for each phase loss, backward, clip, AdamW; then an average of the weights."""
    torch.manual_seed(0)
    model = make().train().to(options.device)
    phases = model.phases()
    parts = {phase.name: [model.get_submodule(path) for path in phase.trains] or [model] for phase in phases}
    owned = {name: [p for part in found for p in part.parameters()] for name, found in parts.items()}
    optimizers = {name: torch.optim.AdamW(found, lr=1e-3, fused=True) for name, found in owned.items()}
    live = [p.detach() for path in model.ema for p in model.get_submodule(path).parameters()]
    average = [p.clone() for p in live]
    if options.compile:
        Compiled(model)

    def run() -> None:
        for step in range(options.rounds):
            rows = torch.randint(len(data), (options.batch,))
            batch = {"x": data.x[rows].to(options.device), "label": data.label[rows].to(options.device)}
            for phase in phases:
                if len(phases) > 1:
                    model.requires_grad_(False)
                    for part in parts[phase.name]:
                        part.requires_grad_(True)
                loss = model.loss(batch, phase.name, step)["loss"]
                optimizers[phase.name].zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(owned[phase.name], 1.0)
                optimizers[phase.name].step()
            torch._foreach_lerp_(average, live, 0.01)

    return run


def ours(make: Callable[[], Any], data: Noise, options: argparse.Namespace) -> Callable[[], None]:
    torch.manual_seed(0)
    settings = TrainingPart(steps=1_000_000, batch_size=options.batch, lr=1e-3, clip=1.0, warmup=0, precision="float32", evaluate_every=0)
    begin = time.perf_counter()
    steps = iter(Trainer(make(), data, settings, device=options.device, compile=options.compile).rounds())
    next(steps)
    print(f"first step after {time.perf_counter() - begin:.1f} s", flush=True)

    def run() -> None:
        for _ in range(options.rounds):
            next(steps)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 20), ("repeats", 5), ("threads", 2), ("batch", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=MODELS)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = Noise()
    for name, make in MODELS.items():
        if options.only in (None, name):
            runs = {"gentk": ours(make, data, options), "plain loop": plain(make, data, options)}
            title = f"training, {name}, batch {options.batch}"
            report(title, compare(runs, options.repeats), "plain loop", unit=options.rounds, name="s/step")


if __name__ == "__main__":
    main()
