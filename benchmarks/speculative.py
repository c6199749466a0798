"""Speculative decoding against plain decoding of the same weights: the ratio of their times, and the tokens per call of the large model.

    uv run --group bench python benchmarks/speculative.py [LARGE SMALL] [-n 1] [--ahead 2 4 8] [--repeats 5] [--threads 2] [--device cuda]

LARGE and SMALL are weights, by folder or name, of one vocabulary and length. Without them: a net of 12 layers, 384 wide, with random
weights (21 million), and its first three layers as the draft. How much the other nine say is set so that about as many proposals are kept
as with trained weights: `autoregressive/shakespeare-char`, drafted by a quarter of it, gets 3.4 tokens per call, 4 ahead.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from interleaved import compare, report

import gentk
from gentk.protocols import DataSpec, Leaf
from gentk.samplers.autoregressive import AutoRegressive
from gentk_autoregressive.config import GPTConfig
from gentk_autoregressive.gpt import GPT

SHARPNESS, LATER = 2.5, 0.13


class Calls:
    """Counts the calls of `next` of a model."""

    def __init__(self, model: Any) -> None:
        self.count, self.next = 0, model.next
        model.next = self

    def __call__(self, *given: Any) -> Any:
        self.count += 1
        return self.next(*given)


def made() -> tuple[GPT, GPT]:
    """The large net, and its first quarter."""
    torch.manual_seed(0)
    data = DataSpec(modality="text", leaves={"x": Leaf(shape=(256,), classes=65)})
    config = {"width": 384, "heads": 6, "value_residual": False, "input_residual": False}
    large, small = (GPT(GPTConfig.model_validate({**config, "layers": layers}), data).eval() for layers in (12, 3))
    with torch.no_grad():
        for name, weight in large.named_parameters():
            if weight.ndim == 2 and "shift" not in name:
                torch.nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
        large.net.head.weight *= SHARPNESS
        for block in large.net.blocks[3:]:
            block.attention.out.weight *= LATER
            block.mlp.down.weight *= LATER
    own = small.state_dict()
    small.load_state_dict({name: value for name, value in large.state_dict().items() if name in own})
    return large, small


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("large", nargs="?")
    parser.add_argument("small", nargs="?")
    parser.add_argument("--ahead", type=int, nargs="+", default=[2, 4, 8])
    for name, default in (("repeats", 5), ("threads", 2), ("length", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("-n", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.large and not options.small:
        parser.error("give LARGE and SMALL, or neither")
    pair = (gentk.load(options.large), gentk.load(options.small)) if options.large else made()
    large, small = (model.to(options.device) for model in pair)
    both, calls = gentk.drafted(large, small), Calls(large)

    def draws(model: Any, ahead: int) -> Any:
        sampler = AutoRegressive(ahead=ahead, length=options.length)
        return lambda: gentk.sample(model, options.n, sampler=sampler)

    runs = {"plain": draws(large, 1), **{f"speculative, {k} ahead": draws(both, k) for k in options.ahead}}
    for name, run in runs.items():
        calls.count = 0
        x = run()
        tokens = int(x["length"].sum()) if "length" in x.batch else x["x"].numel()
        print(f"  {name:24s} {tokens / max(calls.count, 1):6.2f} tokens per call")
    title = f"{options.n} samples of {options.large or '12 layers'}, drafted by {options.small or 'three of them'}"
    report(title, compare(runs, options.repeats), "plain")


if __name__ == "__main__":
    main()
