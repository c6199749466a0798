"""One pass of a StatisticsModel: sums over all examples, then the update. The sums just add, over batches and over ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..protocols import Dataset
from .distributed import Ranks
from .order import fetch

CHUNK = 1000  # examples per term of the sums, whatever the batch size: float64 addition is not associative


def one_pass(model: Any, dataset: Dataset, ranks: Ranks) -> dict[str, float]:
    """The model's own report of the pass, "log_likelihood" among it.

    Chunk i goes to rank i modulo their number; within a rank chunks are added in order. So a fit does not depend on the recipe's batch
    size at all, and on the number of ranks only by the rounding of the last few sums.
    """
    total: dict[str, Tensor] = {}
    size = len(dataset)
    with torch.no_grad():
        for low in range(ranks.rank * CHUNK, size, CHUNK * ranks.world):
            part = model.statistics(fetch(dataset, np.arange(low, min(low + CHUNK, size))))
            for key, value in part.items():
                total[key] = total[key] + value if key in total else value.clone()
        if ranks.world > 1 and not total:  # more ranks than chunks: this one adds zeros
            part = model.statistics(fetch(dataset, np.arange(1)))
            total = {key: torch.zeros_like(value) for key, value in part.items()}
        ranks.add(total[key] for key in sorted(total))
        return dict(model.update(total))
