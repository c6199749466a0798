"""One pass of a StatisticsModel: sums over all examples, then the update. The sums just add, over batches and over ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..distributed import Ranks
from ..examples import fetch
from ..protocols import Dataset, DataSpec
from .order import seed_all

CHUNK = 1000  # examples per term of the sums, whatever the batch size: float64 addition is not associative
MOST, NUMBERS = 10_000, 1 << 16  # of small examples up to MOST, while they have so many numbers together


def chunk_size(spec: DataSpec) -> int:
    """Examples in a chunk, from what an example is alone: of a few numbers a thousand cost little more to sum than to begin with."""
    return max(CHUNK, min(MOST, NUMBERS // max(1, sum(math.prod(leaf.shape) for leaf in spec.leaves.values()))))


def one_pass(model: Any, dataset: Dataset, ranks: Ranks, *, seed: int, step: int, device: torch.device) -> dict[str, float]:
    """The model's own report of pass `step`, "log_likelihood" among it. What it draws follows from (seed, step, chunk).

    Chunk i goes to rank i modulo their number; within a rank chunks are added in order. So a fit does not depend on the recipe's batch
    size at all, and on the number of ranks only by the rounding of the last few sums.
    """
    total: dict[str, Tensor] = {}
    size, most = len(dataset), chunk_size(dataset.spec)

    def chunk(low: int, high: int) -> Mapping[str, Tensor]:
        batch = {key: value.to(device) for key, value in fetch(dataset, np.arange(low, high)).items()}
        seed_all(seed, "statistics", step, low)
        found: Mapping[str, Tensor] = model.statistics(batch)
        return found

    with torch.no_grad():
        for low in range(ranks.rank * most, size, most * ranks.world):
            part = chunk(low, min(low + most, size))
            for key, value in part.items():
                total[key] = total[key] + value if key in total else value.clone()
        if ranks.world > 1 and not total:  # more ranks than chunks: this one adds zeros
            total = {key: torch.zeros_like(value) for key, value in chunk(0, 1).items()}
        ranks.add(total[key] for key in sorted(total))
        seed_all(seed, "update", step)
        return dict(model.update(total))
