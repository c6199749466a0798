"""The Fréchet distance of two Gaussians (Dowson & Landau 1982; Heusel et al., arXiv:1706.08500), and its limit for endless samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg.lapack import dpstrf
from scipy.stats import linregress
from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import Batch, DataSpec, Score, Side

from .sides import LARGEST, NOT_FINITE, Sides, score, too_few

ACCURATE = 512  # dimensions up to which singular values are computed as such; beyond, from the square: half the digits, a third of the time
SIZES = 15  # of the extrapolation, as Chong and Forsyth have it


@dataclass
class Moments:
    """Count, mean (d,) and scatter Σ (x − mean)(x − mean)ᵀ (d, d) of rows, float64.

    Merged as by Chan, Golub and LeVeque (1979), so that an offset of the rows costs no digits.
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Moments:
        """Of rows x (n, d), n ≥ 1."""
        x = x.double()
        mean = x.mean(0)
        centred = x - mean
        return cls(len(x), mean, centred.T @ centred)

    def merge(self, other: Moments) -> None:
        """Add the other's rows to these."""
        n = self.n + other.n
        apart = other.mean - self.mean
        self.scatter += other.scatter
        self.scatter.addr_(apart, apart, alpha=self.n * other.n / n)
        self.mean += apart * (other.n / n)
        self.n = n

    @property
    def covariance(self) -> Tensor:
        """(d, d), unbiased, as all published FIDs have it."""
        return self.scatter / (self.n - 1)

    @property
    def variance(self) -> Tensor:
        """Of all features together: tr covariance."""
        return self.scatter.trace() / (self.n - 1)

    def factor(self) -> Tensor:
        """F (d, rank) of covariance = F Fᵀ: Cholesky's, and with pivots where the covariance is singular.

        What remains of a variance below `rounding` is none: its root, 1e-8, would be an error of the distance.
        """
        covariance = self.covariance
        rounding = (len(covariance) + 50) * torch.finfo(covariance.dtype).eps * covariance.diagonal().max()
        whole: Tensor
        whole, failed = torch.linalg.cholesky_ex(covariance)
        if not failed and whole.diagonal().square().min() > rounding:
            return whole
        # LAPACK wants columns first: the transpose of a symmetric matrix spares a copy
        triangle, pivots, rank, _ = dpstrf(covariance.numpy().T, tol=float(rounding), lower=1)
        factor = np.empty((len(triangle), rank))
        factor[pivots - 1] = np.tril(triangle)[:, :rank]
        return torch.from_numpy(factor)


def squared_frechet(a: Moments, b: Moments) -> float:
    """|μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½) of moments with n ≥ 2. What rounding makes negative is 0.

    With Σ = F Fᵀ the last trace is the sum of the singular values of F_aᵀ F_b: real, not negative, and found several times faster than the
    eigenvalues of Σ_a Σ_b, which is not symmetric.
    """
    spread = a.variance + b.variance
    product = a.factor().T @ b.factor()
    if max(product.shape) > ACCURATE:
        product = product.T if len(product) < product.shape[1] else product
        singular = torch.linalg.eigvalsh(product.T @ product).clamp(min=0).sqrt()
    else:
        singular = torch.linalg.svdvals(product)
    return max(0.0, float((a.mean - b.mean).square().sum() + spread - 2 * singular.sum()))


class Frechet:
    """Fréchet distance of the Gaussians with the features' means and covariances, squared: FID, if the features are Inception's.

    Keeps count, mean and scatter of each side, (d, d), and no rows. Biased upwards by about 1/n: compare equal numbers of examples only.
    """

    def __init__(self, data: DataSpec) -> None:
        self._moments: dict[Side, Moments] = {}

    def update(self, side: Side, rows: Batch) -> None:
        if side != "training" and len(rows["features"]):
            self._merge(side, Moments.of(rows["features"]))

    def state(self) -> Mapping[str, Tensor]:
        found = {}
        for side, moments in self._moments.items():
            found[f"{side}/n"] = torch.tensor([moments.n])
            found[f"{side}/mean"], found[f"{side}/scatter"] = moments.mean.clone(), moments.scatter.clone()
        return found

    def merge(self, state: Mapping[str, Tensor]) -> None:
        for side in ("generated", "real"):
            if f"{side}/n" in state:
                mean, scatter = state[f"{side}/mean"].clone(), state[f"{side}/scatter"].clone()
                self._merge(side, Moments(int(state[f"{side}/n"]), mean, scatter))

    def _merge(self, side: Side, moments: Moments) -> None:
        if side in self._moments:
            self._moments[side].merge(moments)
        else:
            self._moments[side] = moments

    def _side(self, side: Side) -> Moments:
        found = self._moments.get(side)
        if found is None or found.n < 2:
            raise too_few("frechet", side, found.n if found else 0, 2)
        if not float(found.variance) < LARGEST**2:
            raise GentkError(f"frechet: features of {side} examples are {NOT_FINITE}: look at these examples")
        return found

    def compute(self) -> Score:
        value = squared_frechet(self._side("generated"), self._side("real"))
        return score("frechet", value, ["torch", "scipy"])


class FrechetInfinity(Sides):
    """Fréchet distance of endless samples (Chong & Forsyth, arXiv:1911.07023), squared.

    Distances of 15 numbers N of samples to all real examples; a line in 1/N is fitted, and its intercept is the score: the bias of few
    samples, which differs from model to model, is gone. That of few real examples stays. May be negative.
    """

    name = "frechet-infinity"

    def compute(self) -> Score:
        generated, real = self.both()
        n, d = generated.shape
        first = max(n // 10, min(2 * d, n // 2))  # below d rows the covariance is singular and the bias no line in 1/N
        sizes = np.linspace(first, n, SIZES).astype(int)
        if first < 2 or len(np.unique(sizes)) < SIZES:
            raise too_few(self.name, "generated", n, 2 * SIZES)
        shuffled = generated[torch.from_numpy(np.random.default_rng(0).permutation(n))]
        whole, moments, values = Moments.of(real), Moments.of(shuffled[:first]), []
        for low, high in zip([first, *sizes], sizes, strict=False):
            if high > low:
                moments.merge(Moments.of(shuffled[low:high]))
            values.append(squared_frechet(moments, whole))
        line = linregress(1 / sizes, values)
        # the intercept's own standard error is no error of the score, being three times too small: all sizes share their rows
        parameters = {"sizes": SIZES, "from": int(first)}
        return score(self.name, float(line.intercept), ["torch", "scipy"], parameters=parameters)
