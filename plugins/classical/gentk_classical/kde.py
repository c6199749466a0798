"""`kde`: a kernel density estimate (Rosenblatt 1956; Parzen 1962), of numbers or of a table's rows (Li & Racine 2007, chapter 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.columns import named, valid
from gentk.errors import UsageError
from gentk.protocols import Batch, Condition, DataSpec, Noise

from .config import KDEConfig
from .gaussians import KINDS, Singular, Split, patterns
from .kernels import States, donated
from .mixed import Kinds
from .quantised import Bins, flat, shaped

TABLE = 1 << 22  # distances in memory at once
JUDGED = 1000  # points whose leave-one-out likelihood chooses the bandwidth
GRID = 32  # bandwidths tried, from a twentieth of Scott's to twice it
SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0)  # of a category's largest λ, tried beside the rule's


class KDE(nn.Module):
    """p(x) = (1/m) Σ_i N(x; x_i, h² Σ) over m examples, Σ their covariance, or its mean variance times 1 ("isotropic").

    h is a share of the data's deviations: "scott" m^(−1/(d + 4)) (Scott 1992), "silverman" (m (d + 2)/4)^(−1/(d + 4)) (Silverman 1986),
    a number, or "cv", which maximises Σ_i log p₋ᵢ(x_i), each point's likelihood under the others (Habbema et al. 1974). State: points
    (P, d), of which the first `count` are there; root, U of (h² Σ)⁻¹ = U Uᵀ, float64; bandwidth, h.

    Of a table d counts the numbers, divided by their deviations first ("isotropic" is then a product of kernels, one a column); each
    category has Aitchison and Aitken's kernel beside it (see `States`), whose λ is `share` of its largest: h², or what is asked for. What a
    row lacks is summed over. A row that the fit sees with gaps gets each from a row near it (see `donated`), and `donor` (P, V) says which;
    leave-one-out then judges a row by what it knew, against kernels without a cell of its own. State besides: share, and middle and
    deviation (d,) of the numbers; points (P, V) has the numbers in these units, then the states.

    Quantised data: as for `gmm`; log_prob is a draw of a lower bound of the mass.
    """

    Config = KDEConfig
    columns = True
    passes = 1
    points: Tensor
    count: Tensor
    root: Tensor
    bandwidth: Tensor
    share: Tensor
    middle: Tensor
    deviation: Tensor
    donor: Tensor

    def __init__(self, config: KDEConfig, data: DataSpec) -> None:
        super().__init__()
        self.kinds = Kinds.of(data, "kde")
        self.config, self.data, self.start_size = config, data, config.points
        self.conditions: Mapping[str, Condition] = {}
        self.kind = KINDS["full" if config.covariance == "full" else "spherical"]
        leaf = data.leaves["x"]
        self.bins = Bins.of(leaf)
        self.likelihood: Literal["exact", "bound"] = "bound" if self.bins else "exact"
        self.d = len(self.kinds.numbers) if self.kinds else math.prod(data.shape)
        self.states = States(tuple(states for _, states in self.kinds.categories) if self.kinds else ())
        self.volume = self.bins.log_volume(self.d) if self.bins else 0.0
        width, dtype = self.d + len(self.states.sizes), torch.float64 if leaf.double or self.kinds else torch.float32
        self.register_buffer("points", torch.zeros(config.points, width, dtype=dtype))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("root", self.kind.eye(self.d).clone())
        self.register_buffer("bandwidth", torch.tensor(1.0, dtype=torch.float64))
        if self.kinds:
            self.register_buffer("share", torch.tensor(1.0, dtype=torch.float64))
            self.register_buffer("middle", torch.zeros(self.d, dtype=torch.float64))
            self.register_buffer("deviation", torch.ones(self.d, dtype=torch.float64))
        self.gaps = any(column.missing for column in leaf.columns) and self.kinds is not None
        if self.gaps:
            self.register_buffer("donor", torch.full((config.points, width), -1, dtype=torch.int32))

    def facts(self) -> dict[str, Any]:
        told = {"points": int(self.count), "bandwidth": float(self.bandwidth)}
        return told | ({"category_bandwidth": float(self.share)} if self.states.sizes else {})

    @property
    def kept(self) -> Tensor:
        """The points that there are, (m, d + categories) float64."""
        return self.points[: int(self.count)].double()

    def rows(self, x: Tensor) -> Tensor:
        """(n, d) float64; of a table (n, d + categories): its numbers in units of their deviations, then its states; NaN is missing."""
        if self.kinds is None:
            return flat(x)
        states = x[:, [place for place, _ in self.kinds.categories]].double()
        return torch.cat([(self.kinds.vector(x) - self.middle) / self.deviation, states], 1)

    # ---- fitting
    def start(self, batch: Batch) -> None:
        """All of the fit. Raises UsageError where the points do not vary in every direction, or a column has no cell at all."""
        m, d = len(batch["x"]), self.d
        if m < 2:
            raise UsageError("kde needs at least two examples")
        if self.kinds:
            self._measure(batch["x"].double())
        x = self.rows(batch["x"])
        scott = float(m ** (-1 / (d + 4)))
        rules: dict[str, float] = {"scott": scott, "silverman": (m * (d + 2) / 4) ** (-1 / (d + 4))}
        asked = self.config.bandwidth
        chosen = rules.get(asked, scott) if isinstance(asked, str) else asked
        if self.gaps:
            x, donor = donated(x, self.states, chosen, self._share(chosen))
            self.donor[:m] = donor
        self.points[:m] = x
        self.count.fill_(m)
        root = self._shape(self.kept[:, :d])
        self.root.copy_(root)
        share = self._share(chosen)
        if asked == "cv":
            chosen, share = self._cross_validated(scott)
        self.bandwidth.fill_(chosen)
        self.root.copy_(root / chosen)
        if self.kinds:
            self.share.fill_(share)

    def _measure(self, x: Tensor) -> None:
        """Where a table's numbers lie and how far they spread, so that no unit counts more than another."""
        there = ~x.isnan()
        if bool((empty := ~there.any(0)).any()):
            column = named(self.data.leaves["x"])[int(empty.nonzero()[0, 0])]
            raise UsageError(f"kde: the column '{column.name}' is missing in every row: drop it")
        assert self.kinds is not None
        there, x = there[:, list(self.kinds.numbers)], self.kinds.vector(x)
        count = there.sum(0)
        self.middle.copy_(x.nan_to_num().sum(0) / count)
        deviation = ((x - self.middle).nan_to_num().square().sum(0) / (count - 1).clamp(min=1)).sqrt()
        self.deviation.copy_(torch.where(deviation > 0, deviation, torch.ones_like(deviation)))

    def _share(self, bandwidth: float) -> float:
        """Of a category's largest λ: as asked, or h², at which its bias shrinks as fast as that of the numbers."""
        asked = self.config.category_bandwidth
        return min(bandwidth**2, 1.0) if asked == "rule" else asked

    def _shape(self, x: Tensor) -> Tensor:
        """U of Σ⁻¹ of the points' numbers (m, d)."""
        d = self.d
        if not d:
            return self.kind.eye(d).to(x)
        centred = x - x.mean(0)
        covariance = self.kind.summed(centred[None])[0] / ((len(x) - 1) * self.kind.numbers(d))
        if self.bins:
            covariance = covariance + self.bins.variance * self.kind.eye(d).to(covariance)
        try:
            return self.kind.factor(covariance)
        except Singular:
            raise UsageError(f"kde: the examples do not vary {self._remedy()}") from None

    def _remedy(self) -> str:
        if self.config.covariance == "isotropic":
            return "at all: every point is the same, which has no density"
        return 'in every direction: set covariance = "isotropic"'

    def _cross_validated(self, scott: float) -> tuple[float, float]:
        """(h, share) with the greatest leave-one-out likelihood, while root is that of h = 1: first h of the grid, then the share."""
        grid = [scott * math.exp(math.log(0.05) + i * math.log(40) / (GRID - 1)) for i in range(GRID)]
        pairs = [(h, self._share(h)) for h in grid]
        best = self._best(pairs)
        if self.states.sizes and self.config.category_bandwidth == "rule":
            best = self._best([best, *((best[0], share) for share in SHARES)])
        return best

    def _best(self, pairs: list[tuple[float, float]]) -> tuple[float, float]:
        found = self._left_out(pairs)
        return pairs[found.index(max(found))]

    def _left_out(self, pairs: list[tuple[float, float]]) -> list[float]:
        """Mean log-likelihood of points under the others, for kernels h times as wide as root's, and shares: of the first points, whose
        order is random."""
        judged, m = min(JUDGED, int(self.count)), int(self.count)
        totals = [0.0] * len(pairs)
        for low in range(0, judged, step := max(1, TABLE // m)):
            high = min(low + step, judged)
            x = self.kept[low:high]
            if self.gaps:
                x = x.masked_fill(self.donor[low:high] >= 0, math.nan)
            square, constant = self._squares(x[:, : self.d])
            square = square.masked_fill(self._of_itself(low, high), torch.inf)
            others, numbers = (square < torch.inf).sum(1).clamp(min=1).double().log(), (~x[:, : self.d].isnan()).sum(1)
            constant = constant - others - self._unit(x)
            for i, (h, share) in enumerate(pairs):
                total = (self._states(x, share) - 0.5 / h**2 * square).logsumexp(1) + constant - numbers * math.log(h)
                totals[i] += float(total.sum()) / judged
        return totals

    def _of_itself(self, low: int, high: int) -> Tensor:
        """Which points (high − low, m) hold something of each point from low to high: itself, and those that it has given a cell to."""
        m = int(self.count)
        mask = torch.zeros(high - low, m, dtype=torch.bool, device=self.points.device)
        mask[torch.arange(high - low), torch.arange(low, high)] = True
        if self.gaps:
            donor = self.donor[:m]
            taker, column = ((donor >= low) & (donor < high)).nonzero(as_tuple=True)
            mask[donor[taker, column].long() - low, taker] = True
        return mask

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Nothing: `start` saw what is kept."""
        return {"examples": torch.tensor(float(len(batch["x"])), dtype=torch.float64)}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        """Leave-one-out: what is kept would look likelier than it is."""
        (found,) = self._left_out([(1.0, float(self.share) if self.kinds else 1.0)])
        return {"log_likelihood": found + self.volume, "bandwidth": float(self.bandwidth), "points": float(self.count)}

    # ---- what it is for
    def _squares(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """|Uᵀ(x − x_i)|² of numbers, (n, d) → (n, m), and log of a kernel's density at its centre (n,); of what is not NaN in a row."""
        points, constant = self.kept[:, : self.d], -0.5 * math.log(2 * math.pi) * (~x.isnan()).sum(1).double()
        middle = points.mean(0, keepdim=True)
        if not bool(x.isnan().any()):
            a, b = (self.kind.white(rows, middle, self.root[None])[0] for rows in (x, points))
            return squared_distances(a, b), constant + self.kind.log_det(self.root[None], self.d)[0]
        square = torch.empty(len(x), len(points), dtype=torch.float64, device=x.device)
        for mask, rows in patterns(~x.isnan()):
            part = Split.of(self._whole_root()[None], mask)
            white = ((values[:, mask] - middle[:, mask]) @ part.white[0] for values in (x[rows], points))
            square[rows] = squared_distances(*white)
            constant[rows] += part.log_det[0]
        return square, constant

    def _whole_root(self) -> Tensor:
        """(d, d)."""
        return self.root if self.root.ndim else self.root * torch.eye(self.d).to(self.root)

    def _states(self, x: Tensor, share: float) -> Tensor | float:
        """log of the kernels of the categories of rows x (n, d + categories): (n, m), or 0 without categories."""
        return self.states.log_prob(x[:, self.d :], self.kept[:, self.d :], share) if self.states.sizes else 0.0

    def _unit(self, x: Tensor) -> Tensor | float:
        """(n,) what the deviations that a row's numbers were divided by take from its density."""
        return (~x[:, : self.d].isnan()).double() @ self.deviation.log() if self.kinds else 0.0

    def _logs(self, x: Tensor) -> Tensor:
        """log of each point's kernel at the known cells of rows x (n, d + categories), (n, m)."""
        square, constant = self._squares(x[:, : self.d])
        found = square.mul_(-0.5).add_(constant[:, None])
        return found + self._states(x, float(self.share)) if self.states.sizes else found

    def _chunks(self, n: int) -> list[Tensor]:
        return list(torch.split(torch.arange(n, device=self.points.device), max(1, TABLE // max(1, int(self.count)))))

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        """(n,) float64; of a table, a density of the numbers that are known, in their own units, and a mass of the states."""
        x = self.rows(batch["x"])
        if self.bins:
            x = self.bins.dequantised(x, noise)
        found = torch.cat([self._logs(x[rows]).logsumexp(1) for rows in self._chunks(len(x))])
        return found - math.log(int(self.count)) - self._unit(x) + self.volume

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        chosen = (noise.uniform() * self.count.cpu()).long().to(self.points.device)
        z, centre = noise.normal(self.d).double(), self.points[chosen]
        numbers = centre[:, : self.d] + (self.kind.coloured(z[None], self.root[None])[0] if self.d else 0.0)
        return self._made(numbers, centre, noise) if self.kinds else shaped(numbers, self.data)

    def _made(self, numbers: Tensor, centre: Tensor, noise: Noise) -> Tensor:
        """Rows of the table (n, V): numbers in their own units as the columns can hold them, and states drawn around the points."""
        assert self.kinds is not None
        states = centre[:, self.d :]
        if self.states.sizes:
            states = self.states.draw(states, float(self.share), noise.fork("categories"))
        x = self.kinds.joined(self.middle + self.deviation * numbers, states, self.data)
        return valid(x, self.data.leaves["x"].columns)

    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:
        """A point by how near the known cells are to its own, then the others around it: the exact conditional law."""
        known = known.reshape(len(known), -1)
        given = batch["x"].reshape(len(known), -1).double().masked_fill(~known, math.nan)
        x = self.rows(given)
        chosen, z = torch.empty(len(x), dtype=torch.int64, device=x.device), []
        for rows in self._chunks(len(x)):
            own = noise[rows.tolist()]
            chosen[rows] = own.categorical(self._logs(x[rows]))
            z.append(own.normal(self.d).double())
        centre = self.kept[chosen]
        numbers = self._around(x[:, : self.d], centre[:, : self.d], torch.cat(z))
        drawn = self._made(numbers, centre, noise) if self.kinds else shaped(numbers, self.data)
        return torch.where(known.view_as(batch["x"]), batch["x"], drawn.to(batch["x"]))

    def _around(self, x: Tensor, centre: Tensor, z: Tensor) -> Tensor:
        """Numbers (n, d) of which NaN is drawn around each row's point, given the others, by standard normals z."""
        out = x.clone()
        for mask, rows in patterns(~x.isnan()):
            part = Split.of(self._whole_root()[None], mask)
            apart, which = (x[rows] - centre[rows])[:, mask], torch.zeros_like(rows)
            missing = centre[rows][:, ~mask] + apart @ part.gain[0] + part.spread(z[rows][:, ~mask], which)
            out[rows[:, None], (~mask).nonzero()[:, 0]] = missing
        return out


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(n, d), (m, d) → (n, m), by a product: for rows that are centred and float64."""
    square = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.mT
    return square.clamp_(min=0)
