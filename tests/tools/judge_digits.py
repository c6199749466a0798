"""Judge generated digits with a classifier that never saw them.

    GENTK_DATA=... python -m tests.tools.judge_digits samples.npz

The file holds `x`, (n, 1, 28, 28) in [-1, 1], and, where a class was asked for, `cond_label`, (n,), as `gentk sample --out x.npz`
writes them. Every number stands beside what real test digits get, in sets of the same size.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .digit_classifier import judged, load
from .digits import digits
from .metrics import coverage, entropy, frechet, nearest

SURE = 0.95
SETS = 5  # disjoint sets of real test digits, so that no number hangs on which thousand were drawn


def read(path: Path) -> tuple[Tensor, Tensor | None]:
    with np.load(path) as file:
        x = torch.from_numpy(file["x"]).float()
        label = torch.from_numpy(file["cond_label"]).long() if "cond_label" in file else None
    if x.ndim != 4 or x.shape[1:] != (1, 28, 28):
        raise SystemExit(f"{path}: x has shape {tuple(x.shape)}, wanted (n, 1, 28, 28)")
    if float(x.min()) > -0.5:
        raise SystemExit(f"{path}: x should be in [-1, 1] with background -1, its least value is {float(x.min()):.2f}")
    return x, label


def sets_of(count: int, size: int) -> list[Tensor]:
    """SETS + 1 disjoint index sets. Shuffled: the first half of the test digits was written by tidier people than the second."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return [order[i * size : (i + 1) * size] for i in range(SETS + 1)]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def judge(x: Tensor, label: Tensor | None, name: str = "MNIST") -> dict[str, Any]:
    """All numbers, as JSON."""
    model = load(name)
    train_x, _ = digits("train", name)
    test_x, test_y = digits("test", name)
    size = min(len(x), len(test_x) // (SETS + 1))
    p, features = judged(model, x)
    test_p, test_features = judged(model, test_x)
    sets = sets_of(len(test_x), min(size, 1000))
    mine = features[: len(sets[0])]
    reals = [test_features[rows] for rows in sets]
    pairs = list(pairwise(reals))

    found: dict[str, Any] = {"samples": len(x), "compared": len(mine)}
    found["classifier accuracy on test digits"] = float((test_p.argmax(1) == test_y).double().mean())
    found["p > 0.95"] = float((p.amax(1) > SURE).double().mean())
    found["p > 0.95, real test digits"] = float((test_p.amax(1) > SURE).double().mean())
    if label is not None:
        known = label < 10  # 10 is "none"
        found["label obeyed"] = float((p.argmax(1) == label)[known].double().mean())
        found["label obeyed, worst class"] = min(float((p.argmax(1) == c)[label == c].double().mean()) for c in label[known].unique())
    found["class histogram"] = torch.bincount(p.argmax(1), minlength=10).tolist()
    found["class entropy (1 = uniform)"] = entropy(p.argmax(1), 10)
    found["coverage"] = mean([coverage(real, mine) for real in reals[:-1]])
    found["coverage, real to real"] = mean([coverage(a, b) for a, b in pairs])
    found["coverage, ratio"] = found["coverage"] / found["coverage, real to real"]
    found["Fréchet distance"] = mean([frechet(real, mine) for real in reals[:-1]])
    found["Fréchet distance, real to real"] = mean([frechet(a, b) for a, b in pairs])
    found["L2 to nearest training image"] = float(nearest(x[: len(mine)], train_x).double().mean())
    found["L2 to nearest training image, real test digits"] = float(nearest(test_x[sets[0]], train_x).double().mean())
    found["L2, ratio"] = found["L2 to nearest training image"] / found["L2 to nearest training image, real test digits"]
    return found


def verdict(found: dict[str, Any]) -> list[tuple[str, bool]]:
    """What shipped weights must reach."""
    lines = [
        ("p > 0.95 on at least 85 % (stretch 95 %)", found["p > 0.95"] >= 0.85),
        ("coverage at least 0.8 of real to real", found["coverage, ratio"] >= 0.8),
        ("no copies: L2 to training at least 0.7 of real test digits'", found["L2, ratio"] >= 0.7),
    ]
    if "label obeyed" in found:
        lines.insert(1, ("label obeyed on at least 97 %", found["label obeyed"] >= 0.97))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--data", default="MNIST", choices=("MNIST", "FashionMNIST"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = judge(*read(options.samples), options.data)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:50s} {value:.4f}" if isinstance(value, float) else f"{name:50s} {value}")
    for name, met in verdict(found):
        print(f"{'yes' if met else 'NO '}  {name}")


if __name__ == "__main__":
    main()
