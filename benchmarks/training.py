# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-ddpm"]
# [tool.uv.sources]
# gentk = { path = "..", editable = true }
# gentk-ddpm = { path = "../plugins/ddpm", editable = true }
# ///
"""The trainer (EMA, clipping, logs, seeded rounds) against a plain loop of the same model and optimizer.

    uv run benchmarks/training.py [--rounds 20] [--repeats 5] [--threads 2] [--batch 64]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from interleaved import compare, report

from gentk.host.lookup import build_model
from gentk.protocols import DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training.trainer import Trainer

IMAGES = DataSpec(
    modality="image",
    leaves={"x": Leaf(shape=(1, 28, 28), range=(-1, 1), levels=256)},
    conditions={"label": Leaf(classes=10)},
)
CONFIG = {"channels": [32, 64], "layers": 1, "attention": [False, False], "groups": 8, "patch": 2, "scale_shift": True, "head_dim": 16}


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
        return {"x": self.x[indices], "label": self.label[indices]}


def plain(data: Noise, batch: int, rounds: int, device: str) -> Callable[[], None]:
    """What one writes by hand: a shuffled batch, loss, backward, clip, AdamW, and an average of the weights."""
    torch.manual_seed(0)
    model = build_model("ddpm", "ddpm", CONFIG, IMAGES).train().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    average = [p.detach().clone() for p in model.parameters()]

    def run() -> None:
        for step in range(rounds):
            rows = torch.randint(len(data), (batch,))
            loss = model.loss({"x": data.x[rows].to(device), "label": data.label[rows].to(device)}, "main", step)["loss"]
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            torch._foreach_lerp_(average, [p.detach() for p in model.parameters()], 0.01)

    return run


def ours(data: Noise, batch: int, rounds: int, device: str) -> Callable[[], None]:
    torch.manual_seed(0)
    model = build_model("ddpm", "ddpm", CONFIG, IMAGES)
    settings = TrainingPart(steps=1_000_000, batch_size=batch, lr=1e-3, clip=1.0, warmup=0, precision="float32", evaluate_every=0)
    trainer = Trainer(model, data, settings, device=device)
    steps = iter(trainer.rounds())

    def run() -> None:
        for _ in range(rounds):
            next(steps)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 20), ("repeats", 5), ("threads", 2), ("batch", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = Noise()
    about = data, options.batch, options.rounds, options.device
    runs = {"gentk": ours(*about), "plain loop": plain(*about)}
    title = f"training, batch {options.batch}"
    report(title, compare(runs, options.repeats), "plain loop", unit=options.rounds, name="s/step")


if __name__ == "__main__":
    main()
