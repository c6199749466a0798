"""Squared maximum mean discrepancy (Gretton et al. 2012), unbiased: with a cubic kernel, KID, and with Gaussian kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import DataSpec, Score

from .options import KIDOptions, MMDOptions
from .pairwise import Kernel, mean_among, mean_between, squared_distances
from .sides import Sides, score

JUDGED = 2000  # real rows for the median distance, at most
WIDTHS = 5  # Gaussian kernels, each twice as wide as the one before, the median in the middle


def squared_mmd(kernel: Kernel, x: Tensor, y: Tensor) -> float:
    """E k(x, x') + E k(y, y') − 2 E k(x, y) of rows (n, d) and (m, d), n, m ≥ 2, without pairs of a row and itself."""
    return mean_among(kernel, x) + mean_among(kernel, y) - 2 * mean_between(kernel, x, y)


def cubic(x: Tensor, y: Tensor) -> Tensor:
    """(xᵀy/d + 1)³."""
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)


class KID(Sides):
    """Kernel distance (Bińkowski et al., arXiv:1801.01401): squared MMD with the kernel (xᵀy/d + 1)³. May be negative.

    The score is the mean over random subsets, drawn with a fixed seed. If a side has fewer rows than a subset, all rows are used once.
    Published figures give the deviation over the subsets, while the error here is that of the mean: the deviation divided by √subsets,
    or by √(rows / subset_size) if that is smaller, since subsets that share rows are not independent.
    """

    name = "kid"

    def __init__(self, data: DataSpec, **options: Any) -> None:
        super().__init__(data)
        self.options = KIDOptions(**options)

    def compute(self) -> Score:
        generated, real = self.both()
        subsets, size = self.options.subsets, self.options.subset_size
        few, values = min(len(generated), len(real)), list[float]()
        parameters = {"subsets": 1}
        if few < size or len(generated) == len(real) == size:
            values = [squared_mmd(cubic, generated, real)]
        else:
            rng = np.random.default_rng(0)
            for _ in range(subsets):
                x, y = (side[torch.from_numpy(rng.choice(len(side), size, replace=False))] for side in (generated, real))
                values.append(squared_mmd(cubic, x, y))
            parameters = {"subsets": subsets, "subset_size": size}
        error = None
        if len(values) > 1:
            error = float(np.std(values, ddof=1)) * math.sqrt(max(1 / subsets, size / few))
        return score(self.name, float(np.mean(values)), ["torch"], error=error, parameters=parameters)


class MMD(Sides):
    """Squared MMD with a sum of Gaussian kernels exp(−|x − y|²/2σ²). May be negative; at most 2 for each kernel.

    σ is the option `bandwidth`, or ¼, ½, 1, 2 and 4 times the median distance of real examples. Generated ones do not count, so that all
    models are measured with the same kernel.
    """

    name = "mmd"

    def __init__(self, data: DataSpec, **options: Any) -> None:
        super().__init__(data)
        self.options = MMDOptions(**options)

    def compute(self) -> Score:
        generated, real = self.both()
        kernels = 1 if self.options.bandwidth else WIDTHS
        median = self.options.bandwidth or self._median(real)
        widest = median * 2 ** (kernels // 2)
        centre = real.mean(0)
        value = squared_mmd(lambda x, y: _gaussians(x, y, widest, kernels), generated - centre, real - centre)
        return score(self.name, value, ["torch", "scipy"], parameters={"bandwidth": median, "kernels": kernels})

    def _median(self, real: Tensor) -> float:
        chosen = np.random.default_rng(0).permutation(len(real))[:JUDGED]
        median = float(np.median(pdist(real.numpy()[chosen])))
        if median == 0:
            raise GentkError("mmd: the median distance between real examples is 0: set the option bandwidth")
        return median


def _gaussians(x: Tensor, y: Tensor, widest: float, kernels: int) -> Tensor:
    """The sum of kernels with σ = widest, widest/2, …: with half the σ a kernel is the fourth power."""
    one = squared_distances(x, y).mul_(-0.5 / widest**2).exp_()
    total = one.clone()
    for _ in range(kernels - 1):
        total += one.square_().square_()
    return total
