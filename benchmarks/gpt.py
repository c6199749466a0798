# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-autoregressive", "transformers>=4.57"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-autoregressive = { path = "../plugins/autoregressive", editable = true }
# ///
"""A small GPT-2: texts drawn, against transformers with and without a cache; and training, against a plain loop around the same net.

    uv run benchmarks/gpt.py [--repeats 3] [--threads 1] [--only drawing|training] [--tokens 256] [--rounds 10] [--compile]

4 layers, 128 wide, batch 16. Both sides have the same weights, and draw from their own generators.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from interleaved import compare, report
from torch import Tensor

import gentk
from gentk.compiling import Compiled
from gentk.host.lookup import build_model
from gentk.protocols import DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training.trainer import Trainer
from gentk_autoregressive import hf
from gentk_autoregressive.gpt import GPT

BATCH, VOCABULARY = 16, 65
Runs = dict[str, Callable[[], object]]


def drawing(options: argparse.Namespace) -> Runs:
    """`tokens` tokens of 16 texts after a start token, at temperature 1."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = {"vocab_size": VOCABULARY, "n_positions": options.tokens, "n_embd": 128, "n_layer": 4, "n_head": 4}
    theirs = GPT2LMHeadModel(GPT2Config(**config, bos_token_id=1, eos_token_id=None)).train(False)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = hf.read(Path(folder))
    start = torch.ones(BATCH, 1, dtype=torch.int64)
    count = {"max_new_tokens": options.tokens - 1, "min_new_tokens": options.tokens - 1, "do_sample": True, "top_k": 0, "pad_token_id": 0}
    ours_options = {"length": options.tokens - 1}
    return {
        "gentk": lambda: gentk.sample(ours, BATCH, sampler=gentk.sampler("autoregressive", **ours_options)),
        "transformers": lambda: theirs.generate(start, **count, use_cache=True),
        "transformers, no cache": lambda: theirs.generate(start, **count, use_cache=False),
    }


class Tokens:
    """4,096 random rows: what is timed is the trainer, not the disk."""

    spec = DataSpec(modality="text", leaves={"x": Leaf(shape=(256,), classes=VOCABULARY)})

    def __init__(self) -> None:
        self.x = torch.randint(VOCABULARY, (4096, 256), generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index]}

    def batch(self, indices: Any, noise: Any = None) -> dict[str, Tensor]:
        return {"x": self.x[torch.as_tensor(indices)]}


def built() -> GPT:
    torch.manual_seed(0)
    model: GPT = build_model("autoregressive", "gpt", {"layers": 4, "heads": 4, "width": 128}, Tokens.spec)
    return model.train()


def training(options: argparse.Namespace) -> Runs:
    """AdamW in float32, with an average of the weights."""
    settings = TrainingPart(steps=1_000_000, batch_size=BATCH, lr=1e-3, warmup=0, precision="float32", evaluate_every=0)
    steps: Iterator[Any] = iter(Trainer(built(), Tokens(), settings, device="cpu", compile=options.compile).rounds())

    def ours() -> None:
        for _ in range(options.rounds):
            next(steps)

    model, data = built(), Tokens()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    live = [p.detach() for p in model.parameters()]
    average = [p.clone() for p in live]
    if options.compile:
        Compiled(model)

    def plain() -> None:
        for step in range(options.rounds):
            loss = model.loss({"x": data.x[torch.randint(len(data), (BATCH,))]}, "main", step)["loss"]
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            torch._foreach_lerp_(average, live, 0.01)

    return {"gentk": ours, "plain loop": plain, "nanoGPT's style": windows(options)}


def windows(options: argparse.Namespace) -> Callable[[], None]:
    """As nanoGPT trains: windows at random places of one long row of uint16, gradients clipped, no average of the weights."""
    model, row = built(), np.random.default_rng(0).integers(VOCABULARY, size=1 << 20).astype(np.uint16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    if options.compile:
        Compiled(model)

    def run() -> None:
        for step in range(options.rounds):
            places = torch.randint(len(row) - 256, (BATCH,)).tolist()
            x = torch.stack([torch.from_numpy(row[i : i + 256].astype(np.int64)) for i in places])
            loss = model.loss({"x": x}, "main", step)["loss"]
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("repeats", 3), ("threads", 1), ("tokens", 256), ("rounds", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", choices=("drawing", "training"))
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.only in (None, "drawing"):
        times = compare(drawing(options), options.repeats)
        title = f"drawing {BATCH} texts of {options.tokens}"
        report(title, times, "transformers", unit=BATCH * options.tokens / 1e3, name="s/1,000 tokens")
    if options.only in (None, "training"):
        times = compare(training(options), options.repeats)
        report("training, 16 rows of 256", times, "plain loop", unit=options.rounds * BATCH * 256 / 1e3, name="s/1,000 tokens")


if __name__ == "__main__":
    main()
