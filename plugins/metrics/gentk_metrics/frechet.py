"""Fréchet distance of two Gaussians (Dowson & Landau 1982; Heusel et al., arXiv:1706.08500), and its extrapolation to endless samples."""

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

ACCURATE = 512  # most dimensions for an SVD; above, eigenvalues of the square take a third of the time and lose half of the digits
SIZES = 15  # numbers of samples in the extrapolation, as in the paper


@dataclass
class Moments:
    """Count, mean (d,) and scatter Σ (x − mean)(x − mean)ᵀ (d, d) of rows, float64.

    Merging follows Chan, Golub and LeVeque (1979): an offset of the rows costs no digits.
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Moments:
        """The moments of rows x (n, d), n ≥ 1."""
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
        """(d, d), divided by n − 1, as published FIDs are."""
        return self.scatter / (self.n - 1)

    @property
    def variance(self) -> Tensor:
        """The trace of the covariance."""
        return self.scatter.trace() / (self.n - 1)

    def factor(self) -> Tensor:
        """F (d, rank) with covariance = F Fᵀ, by Cholesky; with pivoting if the covariance is singular.

        A remaining variance below `rounding` is set to 0: it is noise of about 1e-16, and its root would be an error of 1e-8.
        """
        covariance = self.covariance
        rounding = (len(covariance) + 50) * torch.finfo(covariance.dtype).eps * covariance.diagonal().max()
        whole: Tensor
        whole, failed = torch.linalg.cholesky_ex(covariance)
        if not failed and whole.diagonal().square().min() > rounding:
            return whole
        # LAPACK wants column-major order: transposing a symmetric matrix avoids a copy
        triangle, pivots, rank, _ = dpstrf(covariance.numpy().T, tol=float(rounding), lower=1)
        factor = np.empty((len(triangle), rank))
        factor[pivots - 1] = np.tril(triangle)[:, :rank]
        return torch.from_numpy(factor)


def squared_frechet(a: Moments, b: Moments) -> float:
    """|μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½) of moments with n ≥ 2; negative rounding errors are set to 0.

    With Σ = F Fᵀ, tr (Σ_a Σ_b)^½ is the sum of the singular values of F_aᵀ F_b. These are real and not negative, and take less than half
    of the time of the eigenvalues of Σ_a Σ_b, which is not symmetric.
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
    """Squared Fréchet distance of two Gaussians with the features' means and covariances: FID if the features are Inception's.

    Keeps the count, mean (d,) and scatter (d, d) of each side, no rows. The bias is positive and falls as 1/n: compare values at equal
    numbers of examples only.
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
    """Squared Fréchet distance, extrapolated to endless samples (Chong & Forsyth, arXiv:1911.07023).

    Fits a line in 1/N to the distances between N samples, at 15 values of N, and all real examples; the score is the intercept. This
    removes the bias of finitely many samples, which differs between models. The bias of finitely many real examples remains. The score
    may be negative.
    """

    name = "frechet-infinity"

    def compute(self) -> Score:
        generated, real = self.both()
        n, d = generated.shape
        first = max(n // 10, min(2 * d, n // 2))  # the bias is not linear in 1/N where the covariance is singular, below d rows
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
        # no error: all sizes share rows, so the intercept's standard error is three times smaller than the score's deviation
        parameters = {"sizes": SIZES, "from": int(first)}
        return score(self.name, float(line.intercept), ["torch", "scipy"], parameters=parameters)
