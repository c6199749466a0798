# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-vae", "pythae>=0.1.2"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-vae = { path = "../plugins/vae", editable = true }
# ///
"""Images per second of training: our trainer against pythae's, the same dense VAE (784-512-20-512-784, Bernoulli), batch and optimizer.

    uv run benchmarks/vae.py [--images 12800] [--repeats 5] [--threads 1] [--batch 64]

The batch is the default of its trainer. Ours averages its weights, checks its gradients and logs every round besides.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from interleaved import compare, report
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig

from gentk.host.lookup import build_model
from gentk.protocols import DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training.trainer import Trainer

IMAGES = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 28, 28), range=(0, 1), levels=2)})


class Bits:
    """Random black and white images, in memory."""

    spec = IMAGES

    def __init__(self, size: int) -> None:
        self.x = (torch.rand(size, 1, 28, 28, generator=torch.Generator().manual_seed(0)) < 0.2).float()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": self.x[index]}

    def batch(self, indices: Any, noise: Any = None) -> dict[str, torch.Tensor]:
        return {"x": self.x[indices]}


def ours(data: Bits, batch: int) -> Callable[[], None]:
    torch.manual_seed(0)
    model = build_model("vae", "vae", {"net": "dense", "widths": [512], "latent": 20}, IMAGES)
    settings = TrainingPart(steps=10_000_000, batch_size=batch, lr=1e-3, warmup=0, precision="float32", evaluate_every=0)
    steps = iter(Trainer(model, data, settings).rounds())

    def run() -> None:
        for _ in range(len(data) // batch):
            next(steps)

    return run


def peers(data: Bits, batch: int, folder: str) -> Callable[[], None]:
    """One epoch of pythae's own trainer, which is told to save and to log nothing."""
    logging.disable(logging.WARNING)
    torch.manual_seed(0)
    model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce"))
    config = BaseTrainerConfig(output_dir=folder, per_device_train_batch_size=batch, num_epochs=1, learning_rate=1e-3, no_cuda=True)
    trainer = BaseTrainer(model=model, train_dataset=BaseDataset(data.x, torch.ones(len(data))), training_config=config)
    trainer.prepare_training()

    def run() -> None:
        trainer.train_step(epoch=1)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("images", 12_800), ("repeats", 7), ("threads", 1), ("batch", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = Bits(options.images)
    with tempfile.TemporaryDirectory() as folder:
        runs = {"gentk": ours(data, options.batch), "pythae": peers(data, options.batch, folder)}
        times = compare(runs, options.repeats)
    report(f"VAE, batch {options.batch}: seconds for {options.images} images", times, "pythae")


if __name__ == "__main__":
    main()
