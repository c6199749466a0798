"""Whether samples are copies of training examples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.evaluation import Collected
from gentk.protocols import Score

from .given import given

SHARE = 0.01  # of real examples nearer to a training example than the threshold
SHOWN = 20  # pairs of a sample and its nearest training example, the nearest first
CANDIDATES = 4  # neighbours whose distances are computed again without cancellation


class Memorisation(Collected):
    """Distances to the nearest training example, in features: of samples, and of held-out real examples (after Meehan et al. 2020).

    "copies": share of samples at least as near to a training example as the nearest 1 % of real examples are, about 0.01 (exactly
    `expected`) for fresh samples of the same law and 1 for repeated training examples. Its error is binomial, plus what the threshold's own
    error makes of it. "nearest-training": median distance of the samples as a multiple of the real examples'; well below the floor is
    memorised, well above is far from the data.
    """

    keeps = ("features",)
    pairs: list[tuple[int, int]]

    def compute(self) -> list[Score]:
        generated, real, training = (given(self, side, "features", least=2)[0] for side in ("generated", "real", "training"))
        (ours, places), theirs = nearest(generated, training), nearest(real, training)[0].sort().values
        self.pairs = [(int(i), int(places[i])) for i in ours.argsort(stable=True)[:SHOWN]]
        n, m = len(ours), len(theirs)
        rank = max(1, round(SHARE * (m + 1)))

        def nearer(k: float) -> float:
            """Share of samples at least as near as the k-th nearest real example."""
            return float((ours <= theirs[min(round(k), m) - 1]).double().mean()) if round(k) >= 1 else 0.0

        copies = nearer(rank)
        moved = (nearer(rank + math.sqrt(rank)) - nearer(rank - math.sqrt(rank))) / 2  # √k: the standard error of a rank k
        error = math.sqrt(copies * (1 - copies) / n + moved**2)
        (middle, error_of_theirs), (median, error_of_ours) = median_of(theirs), median_of(ours.sort().values)
        if middle == 0:
            raise GentkError("half of the real examples are training examples too: memorisation needs real examples that were held out")
        value, spread = median / middle, math.hypot(error_of_ours, median / middle * error_of_theirs) / middle
        return [
            Score(name="copies", value=copies, error=error, parameters={"expected": rank / (m + 1), "training": len(training)}),
            Score(name="nearest-training", value=value, better="floor", error=spread, parameters={"training": len(training)}),
        ]


def median_of(ordered: Tensor) -> tuple[float, float]:
    """The median of (n,) in order, and its standard error: half the way between the quantiles ½ ± 1/(2√n), which are one standard error of
    the rank apart from it."""
    half = 0.5 / math.sqrt(len(ordered))
    low, middle, high = (float(ordered.quantile(q)) for q in (max(0.5 - half, 0.0), 0.5, min(0.5 + half, 1.0)))
    return middle, (high - low) / 2


def nearest(generated: Tensor, training: Tensor, chunk: int = 1024) -> tuple[Tensor, Tensor]:
    """Distance (n,) float64 and index (n,) of the nearest row of `training` (m, d) to each row of `generated` (n, d).

    Exactly 0 for identical rows. scikit-learn finds the few nearest, `chunk` rows at a time. Their distances are computed again here,
    because in more than 15 dimensions it takes differences of squares, which cancel.
    """
    from sklearn.neighbors import NearestNeighbors

    if generated.ndim != 2 or training.ndim != 2 or generated.shape[1] != training.shape[1] or not len(training):
        raise GentkError(f"neighbours of rows {tuple(generated.shape)} among rows {tuple(training.shape)}: both must be (n, d) of one d")
    generated, training = generated.double().cpu(), training.double().cpu()
    centre = training.mean(0)
    search = NearestNeighbors(n_neighbors=min(CANDIDATES, len(training))).fit((training - centre).numpy())
    distances, indices = [torch.empty(0, dtype=torch.float64)], [torch.empty(0, dtype=torch.int64)]
    for start in range(0, len(generated), chunk):
        rows = generated[start : start + chunk]
        found = torch.from_numpy(search.kneighbors((rows - centre).numpy(), return_distance=False)).sort(1).values
        best, place = (rows[:, None] - training[found]).square().sum(2).min(1)
        distances.append(best.sqrt())
        indices.append(found.gather(1, place[:, None])[:, 0])
    return torch.cat(distances), torch.cat(indices)
