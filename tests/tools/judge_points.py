"""Judge generated points by the exact distance W₂ to fresh data, beside that between two fresh sets of data.

    python -m tests.tools.judge_points samples.npz --dataset swiss-roll

The file holds `x`, (n, 2), in the data set's own units, as `gentk sample -n 2000 --out x.npz` writes them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .metrics import wasserstein

REPEATS = 10  # W₂ of two finite sets is itself random: a mean over fresh sets


def fresh(data: Any, n: int, first: int) -> Tensor:
    """Examples first … first + n − 1 of a data set made on the fly."""
    indices = list(range(first, first + n))
    if hasattr(data, "batch"):
        from gentk.noise import Philox

        return data.batch(indices, Philox(0, indices))["x"]
    return torch.stack([data[i]["x"] for i in indices])


def dataset(name: str, split: str, options: dict[str, Any]) -> Any:
    from gentk.host.lookup import dataset

    return dataset(name, split, options)


def judge(x: Tensor, data: Any, *, repeats: int = REPEATS) -> dict[str, float]:
    """W₂ to fresh data, the same between two fresh sets, and the ratio. Needs 2 · repeats · n examples, or as many as there are."""
    n = len(x)
    repeats = min(repeats, len(data) // (2 * n))
    if repeats < 1:
        raise SystemExit(f"{n} samples need {2 * n} fresh examples, the data set has {len(data)}")
    sets = [fresh(data, n, i * n) for i in range(2 * repeats)]
    mine = [wasserstein(x, real) for real in sets[:repeats]]
    floor = [wasserstein(a, b) for a, b in zip(sets[::2], sets[1::2], strict=True)]
    found = {"samples": n, "W2": sum(mine) / repeats, "W2, data to data": sum(floor) / repeats}
    return {**found, "ratio": found["W2"] / found["W2, data to data"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--dataset", default="swiss-roll")
    parser.add_argument("--split", default="test")
    parser.add_argument("-o", "--option", action="append", default=[], metavar="KEY=VALUE", help="an option of the data set")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    from gentk.recipes import literal

    with np.load(asked.samples) as file:
        x = torch.from_numpy(file["x"]).float()
    options = {key: literal(value) for key, _, value in (text.partition("=") for text in asked.option)}
    found = judge(x, dataset(asked.dataset, asked.split, options), repeats=asked.repeats)
    if asked.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:20s} {value:.4f}" if isinstance(value, float) else f"{name:20s} {value}")
    print(f"{'yes' if found['ratio'] <= 1.3 else 'NO '}  W2 at most 1.3 of data to data")


if __name__ == "__main__":
    main()
