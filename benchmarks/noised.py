"""Do the metrics see damage? Noise on the weights, 5, 20 and 50 % of each tensor's deviation: every score should become worse, in order.

    uv run --group bench python benchmarks/noised.py classical/gmm vae/mnist-conv -n 1000

Prints each score at each amount, and the share of scores that grow worse in order: up to the errors of both, since a metric at its floor
has no room to see a little. `copies` is printed but not counted, as a damaged model remembers less. A score without a value at some
amount is not counted either: where noise makes a table of probabilities negative, there is no law left to measure.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch

from gentk.evaluation.evaluate import evaluated
from gentk.evaluation.requests import of_weights
from gentk.protocols import Score
from gentk.weights.names import locate

AMOUNTS = (0.0, 0.05, 0.2, 0.5)
UNCOUNTED = ("copies",)


def damaged(model: Any, amount: float) -> Any:
    """Its numbers, also those fitted without gradients, with Gaussian noise of `amount` times each tensor's deviation."""
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                scale = amount * (tensor.double().std(correction=0) if tensor.numel() > 1 else tensor.double().abs()).item()
                tensor.add_(scale * torch.randn(tensor.shape, generator=noise).to(tensor))
    return model


def badness(score: Score) -> float:
    """Larger is worse."""
    if score.better == "floor":
        return abs(score.value - (score.floor or 0.0))
    return score.value if score.better == "lower" else -score.value


def ordered(scores: list[Score]) -> bool:
    """Whether none is better than the one before by more than two errors of their difference, and the last is worse than the first."""

    def apart(a: Score, b: Score) -> float:
        return (badness(b) - badness(a)) / max(math.hypot(a.error or 0.0, b.error or 0.0), 1e-12)

    return all(apart(a, b) > -2 for a, b in pairwise(scores)) and apart(scores[0], scores[-1]) > 2


def table(name: str, n: int) -> tuple[int, int]:
    """Prints the scores; how many grow worse in order, and of how many."""
    found: dict[str, list[Score]] = {}
    for amount in AMOUNTS:
        where = locate(name)
        request = of_weights(where.folder, where.title, None, "test", "auto", n=n)
        for score in evaluated(replace(request, model=damaged(request.model, amount), cached=False)).scores:
            found.setdefault(score.name, []).append(score)
    print(f"\n{name}, n = {n:,}: {'':14s}" + "".join(f"{amount:>12.0%}" for amount in AMOUNTS) + "   floor")
    good = counted = 0
    for metric, scores in found.items():
        asked = metric not in UNCOUNTED and len(scores) == len(AMOUNTS)
        fine = asked and ordered(scores)
        good, counted = good + fine, counted + asked
        values = "".join(f"{score.value:12.4g}" for score in scores)
        floor = "" if scores[0].floor is None else f"{scores[0].floor:.4g}"
        print(f"{metric:34s}{values}   {floor:10s}  {'worse in order' if fine else 'NOT' if asked else 'not counted'}")
    return good, counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="PLUGIN/RECIPE")
    parser.add_argument("-n", type=int, default=1000)
    given = parser.parse_args()
    total = [table(name, given.n) for name in given.names]
    print(f"\n{sum(good for good, _ in total)} of {sum(all for _, all in total)} scores grow worse in order")


if __name__ == "__main__":
    main()
