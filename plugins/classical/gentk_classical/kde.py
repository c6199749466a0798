"""`kde`: a kernel density estimate (Rosenblatt 1956; Parzen 1962)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.errors import UsageError
from gentk.protocols import Batch, Condition, DataSpec, Noise

from .config import KDEConfig
from .gaussians import KINDS, Singular, Split, patterns
from .mixed import real_numbers
from .quantised import Bins, flat, shaped

TABLE = 1 << 22  # distances in memory at once
JUDGED = 1000  # points whose leave-one-out likelihood chooses the bandwidth
GRID = 32  # bandwidths tried, from a twentieth of Scott's to twice it


class KDE(nn.Module):
    """p(x) = (1/m) Σ_i N(x; x_i, h² Σ) over m examples, Σ their covariance, or its mean variance times 1 ("isotropic").

    h is a share of the data's deviations: "scott" m^(−1/(d + 4)) (Scott 1992), "silverman" (m (d + 2)/4)^(−1/(d + 4)) (Silverman 1986),
    a number, or "cv", which maximises Σ_i log p₋ᵢ(x_i), each point's likelihood under the others (Habbema et al. 1974). State: points
    (P, d), of which the first `count` are there; root, U of (h² Σ)⁻¹ = U Uᵀ, float64; bandwidth, h.

    Quantised data: as for `gmm`; log_prob is a draw of a lower bound of the mass.
    """

    Config = KDEConfig
    passes = 1
    points: Tensor
    count: Tensor
    root: Tensor
    bandwidth: Tensor

    def __init__(self, config: KDEConfig, data: DataSpec) -> None:
        super().__init__()
        real_numbers(data, "kde")
        self.config, self.data, self.start_size = config, data, config.points
        self.conditions: Mapping[str, Condition] = {}
        self.kind = KINDS["full" if config.covariance == "full" else "spherical"]
        self.bins = Bins.of(data.leaves["x"])
        self.likelihood: Literal["exact", "bound"] = "bound" if self.bins else "exact"
        d = math.prod(data.shape)
        self.volume = self.bins.log_volume(d) if self.bins else 0.0
        self.register_buffer("points", torch.zeros(config.points, d, dtype=torch.float64 if data.leaves["x"].double else torch.float32))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("root", self.kind.eye(d).clone())
        self.register_buffer("bandwidth", torch.tensor(1.0, dtype=torch.float64))

    def facts(self) -> dict[str, Any]:
        return {"points": int(self.count), "bandwidth": float(self.bandwidth)}

    @property
    def kept(self) -> Tensor:
        """The points that there are, (m, d) float64."""
        return self.points[: int(self.count)].double()

    # ---- fitting
    def start(self, batch: Batch) -> None:
        """All of the fit. Raises UsageError where the points do not vary in every direction."""
        x = flat(batch["x"])
        if len(x) < 2:
            raise UsageError("kde needs at least two examples")
        self.points[: len(x)] = x
        self.count.fill_(len(x))
        m, d = x.shape
        centred = self.kept - self.kept.mean(0)
        covariance = self.kind.summed(centred[None])[0] / ((m - 1) * self.kind.numbers(d))
        if self.bins:
            covariance = covariance + self.bins.variance * self.kind.eye(d).to(covariance)
        try:
            root = self.kind.factor(covariance)
        except Singular:
            raise UsageError(f"kde: the examples do not vary {self._remedy()}") from None
        self.root.copy_(root)
        scott = float(m ** (-1 / (d + 4)))
        rules: dict[str, float] = {"scott": scott, "silverman": (m * (d + 2) / 4) ** (-1 / (d + 4))}
        chosen = self.config.bandwidth
        if isinstance(chosen, str):
            chosen = rules[chosen] if chosen in rules else self._cross_validated(scott)
        self.bandwidth.fill_(chosen)
        self.root.copy_(root / chosen)

    def _remedy(self) -> str:
        if self.config.covariance == "isotropic":
            return "at all: every point is the same, which has no density"
        return 'in every direction: set covariance = "isotropic"'

    def _cross_validated(self, scott: float) -> float:
        """The bandwidth of the grid with the greatest leave-one-out likelihood, while root is that of h = 1."""
        grid = [scott * math.exp(math.log(0.05) + i * math.log(40) / (GRID - 1)) for i in range(GRID)]
        found = self._left_out(grid)
        return grid[found.index(max(found))]

    def _left_out(self, bandwidths: list[float]) -> list[float]:
        """Mean log-likelihood of points under the others, for kernels so much wider than root's: of the first, whose order is random."""
        judged, m, d = min(JUDGED, int(self.count)), int(self.count), self.points.shape[1]
        totals = [0.0] * len(bandwidths)
        log_det = float(self._log_det())
        for low in range(0, judged, step := max(1, TABLE // m)):
            high = min(low + step, judged)
            square = self._squares(self.kept[low:high])
            square[torch.arange(high - low), torch.arange(low, high)] = torch.inf
            for i, h in enumerate(bandwidths):
                total = (-0.5 / h**2 * square).logsumexp(1) - math.log(m - 1) + log_det - d * math.log(h)
                totals[i] += float(total.sum()) / judged
        return totals

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Nothing: `start` saw what is kept."""
        return {"examples": torch.tensor(float(len(batch["x"])), dtype=torch.float64)}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        """Leave-one-out: what is kept would look likelier than it is."""
        return {"log_likelihood": self._left_out([1.0])[0] + self.volume, "bandwidth": float(self.bandwidth), "points": float(self.count)}

    # ---- what it is for
    def _log_det(self) -> Tensor:
        """Of a kernel's density at its centre: log |U| − (d/2) log 2π."""
        d = self.points.shape[1]
        return self.kind.log_det(self.root[None], d)[0] - 0.5 * d * math.log(2 * math.pi)

    def _squares(self, x: Tensor) -> Tensor:
        """|Uᵀ(x − x_i)|², (n, d) → (n, m)."""
        points = self.kept
        middle = points.mean(0, keepdim=True)
        a, b = (self.kind.white(rows, middle, self.root[None])[0] for rows in (x, points))
        return squared_distances(a, b)

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        x = flat(batch["x"])
        if self.bins:
            x = self.bins.dequantised(x, noise)
        rows = torch.split(x, max(1, TABLE // max(1, int(self.count))))
        found = torch.cat([(-0.5 * self._squares(part)).logsumexp(1) for part in rows])
        return found + self._log_det() - math.log(int(self.count)) + self.volume

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        chosen = (noise.uniform() * self.count.cpu()).long().to(self.points.device)
        z = noise.normal(self.points.shape[1]).double()
        return shaped(self.points[chosen] + self.kind.coloured(z[None], self.root[None])[0], self.data)

    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:
        """A point by how near the known numbers are to its own, then the others around it: the exact conditional law."""
        x, known = flat(batch["x"]), known.reshape(len(known), -1)
        root = self.root if self.root.ndim else self.root * torch.eye(x.shape[1]).to(self.root)
        points, out = self.kept, torch.zeros_like(x)
        for mask, rows in patterns(known):
            part = Split.of(root[None], mask)
            middle = points[:, mask].mean(0)
            white = ((values[:, mask] - middle) @ part.white[0] for values in (x[rows], points))
            own = noise[rows.tolist()]
            chosen = own.categorical(-0.5 * squared_distances(*white))
            apart = x[rows][:, mask] - points[chosen][:, mask]
            z = own.normal(x.shape[1]).double()[:, ~mask]
            missing = points[chosen][:, ~mask] + apart @ part.gain[0] + part.spread(z, torch.zeros_like(chosen))
            out[rows[:, None], (~mask).nonzero()[:, 0]] = missing
        return torch.where(known.view_as(batch["x"]), batch["x"], shaped(out, self.data).to(batch["x"]))


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(n, d), (m, d) → (n, m), by a product: for rows that are centred and float64."""
    square = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.mT
    return square.clamp_(min=0)
