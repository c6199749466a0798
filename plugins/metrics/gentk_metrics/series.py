"""Series: the values of each channel, and how they hang together over time."""

from __future__ import annotations

import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.evaluation import Collected
from gentk.protocols import Score, Side

from .given import given
from .per_example import observed

LAGS = 40


class _OfSeries(Collected):
    keeps = ("x", "length", "mask")

    def series(self, side: Side) -> tuple[Tensor, Tensor]:
        """Values (n, T, D) float64, and which of them count. Raises GentkError if there are none."""
        (x,) = given(self, side, "x", gaps=True)
        if x.ndim != 3:
            raise GentkError(f"series are (n, steps, channels), and {side} x is {tuple(x.shape)}")
        return x.double(), observed(self.rows(side))

    def channel(self, index: int) -> str:
        columns = self.data.leaves["x"].columns
        return f"channel {columns[index].name if columns else index}"


class MarginalW1(_OfSeries):
    """W₁ between the values of all steps, of each channel in standard deviations of the real ones, mean over channels.

    The order of the values does not count: it is blind to dynamics.
    """

    def compute(self) -> Score:
        import scipy
        from scipy.stats import wasserstein_distance

        (generated, counts), (real, counts_real) = self.series("generated"), self.series("real")
        found = []
        for d in range(real.shape[2]):
            a, b = generated[..., d][counts[..., d]], real[..., d][counts_real[..., d]]
            if not len(a) or not len(b):
                raise GentkError(f"{self.channel(d)} has no value in {'real' if len(a) else 'generated'} series")
            if b.min() == b.max():
                raise GentkError(f"{self.channel(d)} is constant in real series, so no deviation measures it: leave it out of the data")
            found.append(wasserstein_distance(a.numpy(), b.numpy()) / float(b.std(correction=0)))
        return Score(name="marginal-w1", value=sum(found) / len(found), unit="deviations", library=f"scipy {scipy.__version__}")


class ACF(_OfSeries):
    """Root mean square difference of mean autocorrelations over lags 1 to min(T/2, 40), mean over channels.

    Each series' autocorrelation is about its own mean, divided by its own variance, and averaged over series; one that is constant has
    none and is left out. It is blind to levels, scales, and how channels depend on each other.
    """

    def compute(self) -> Score:
        (generated, counts), (real, counts_real) = self.series("generated"), self.series("real")
        lags = min(real.shape[1] // 2, LAGS)
        if lags < 1:
            raise GentkError("autocorrelations need series of two steps or more")
        difference = autocorrelations(generated, counts, lags).nanmean(0) - autocorrelations(real, counts_real, lags).nanmean(0)
        for d in range(difference.shape[1]):
            if torch.isnan(difference[:, d]).all():
                raise GentkError(f"{self.channel(d)} has no autocorrelation: all series of one side are constant there, or too short")
        value = float(difference.square().nanmean(0).sqrt().mean())
        return Score(name="acf", value=value, parameters={"lags": lags})


def autocorrelations(x: Tensor, inside: Tensor, lags: int) -> Tensor:
    """ρ₁ … of each series (n, T, D), (n, lags, D): Σ z_t z_{t+k} / Σ z_t², z = x less its mean, over the values `inside` (bool).

    NaN for constant series, and for lags without a pair of values. As statsmodels' `acf`, of missing values its "conservative".
    """
    there = inside.double()
    x = x.where(inside, 0.0)
    z = (x - (x.sum(1) / there.sum(1))[:, None]).where(inside, 0.0)
    high, low = x.where(inside, -torch.inf).amax(1), x.where(inside, torch.inf).amin(1)  # exact, where a sum of squares is rounded
    products, pairs = _lagged(z, lags), _lagged(there, lags)[:, 1:]
    rho = products[:, 1:] / products[:, :1]
    return rho.where((pairs > 0.5) & (high > low)[:, None], torch.nan)


def _lagged(x: Tensor, lags: int) -> Tensor:
    """Σ_t x_t x_{t+k} for k = 0 … lags, (n, lags + 1, D) of (n, T, D), by a Fourier transform with as much padding as there are lags."""
    n = x.shape[1] + lags
    power: Tensor = torch.fft.rfft(x, n, 1).abs().square()
    sums: Tensor = torch.fft.irfft(power, n, 1)
    return sums[:, : lags + 1]
