"""Speculative decoding against plain decoding of the same weights: the ratio of their times, and the tokens per call of the large model.

    uv run --group bench python benchmarks/speculative.py LARGE SMALL [-n 1] [--ahead 2 4 8] [--repeats 5] [--threads 2] [--device cuda]

LARGE and SMALL are weights, by folder or name, of one vocabulary and length.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from interleaved import compare, report

import gentk
from gentk.samplers.autoregressive import AutoRegressive


class Calls:
    """Counts the calls of `next` of a model."""

    def __init__(self, model: Any) -> None:
        self.count, self.next = 0, model.next
        model.next = self

    def __call__(self, *given: Any) -> Any:
        self.count += 1
        return self.next(*given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("large")
    parser.add_argument("small")
    parser.add_argument("--ahead", type=int, nargs="+", default=[2, 4, 8])
    for name, default in (("repeats", 5), ("threads", 2), ("length", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("-n", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    large, small = (gentk.load(name).to(options.device) for name in (options.large, options.small))
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
    report(f"{options.n} samples of {options.large}, drafted by {options.small}", compare(runs, options.repeats), "plain")


if __name__ == "__main__":
    main()
