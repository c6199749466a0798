"""Filling in what is not known: a Denoiser → Denoiser wrapper, so that every sampler can do it."""

from __future__ import annotations

from torch import Tensor

from ..protocols import Batch, Prediction
from .guidance import Wrapped, given_data


class Known(Wrapped):
    """A denoiser that is told part of the data: there x̂ is what is known, and ε̂ what then makes x_t.

    A sampler that keeps the noise it has (DDIM, Heun …) thus carries α · known + σ · ε to the end, one that draws fresh noise renews it
    there as elsewhere; both end at `known` exactly, as σ(0) = 0. It is the replacement of Song et al. 2021 (app. I.2) and, with the
    sampler `repaint`, Lugmayr et al. 2022.

    Told as conditions: `known` (n, …) and `known_mask` (n, …), which broadcasts over it and is above 0 where it is known.
    """

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        p = self.inner.denoise(x_t, t, {key: value for key, value in cond.items() if key not in ("known", "known_mask")})
        return given_data(cond["known"].where(cond["known_mask"] > 0, p.x), x_t, p.eps, self.schedule, t)
