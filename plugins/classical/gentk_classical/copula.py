"""`copula`: columns of any law, joined by a Gaussian (Sklar 1959; Joe 2014, "Dependence Modeling with Copulas", §1.2 and §4.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.protocols import Batch, Condition, DataSpec, Noise

from .conditionals import patterns
from .config import CopulaConfig
from .mixed import Kinds

ROWS = 20_000  # that the correlations are taken of
ROUNDS = 40  # of drawing scores and taking their correlations
SWEEPS = 20  # of Gibbs, after which what is known of atoms has told what it knows
EDGE = 1e-12  # least width of the cell of a value that came


class Copula(nn.Module):
    """x_j = F_j⁻¹(Φ(z_j)), z ~ N(0, R), of all rows or for each class.

    F_j is the law of the training rows: of a number their quantiles, so that values that came often come again; of a category its shares,
    the states in the order of their frequency. R are the correlations of the normal scores Φ⁻¹ of the ranks. A value that came often stands
    for a whole cell of scores, and so does one that is missing: given it, the score is drawn within that cell, in the fit as in `impute`.

    State, float64: class_share (C,), rows (C,) that each law is of, quantiles (C, d, Q), shares{j} (C, states), correlation (C, V, V) of
    the scores in the order of numbers, then categories.
    """

    Config = CopulaConfig
    columns = True
    passes = 1
    class_share: Tensor
    quantiles: Tensor
    correlation: Tensor
    rows: Tensor

    def __init__(self, config: CopulaConfig, data: DataSpec) -> None:
        super().__init__()
        self.kinds = Kinds.of(data, "copula") or Kinds(tuple(range(math.prod(data.shape))), ())
        if config.per_class and "label" not in data.conditions:
            raise UsageError("copula: per_class needs a data set with labels; leave it out for one copula of all")
        self.per_class = "label" in data.conditions if config.per_class is None else config.per_class
        self.config, self.data, self.start_size = config, data, config.rows
        self.conditions: Mapping[str, Condition] = {"label": Label.of(data)} if self.per_class else {}
        classes, width = data.conditions["label"].classes if self.per_class else 1, len(self.kinds.numbers) + len(self.kinds.categories)
        self.register_buffer("class_share", torch.full((classes,), 1 / classes, dtype=torch.float64))
        self.register_buffer("rows", torch.ones(classes, dtype=torch.float64))
        self.register_buffer("quantiles", torch.zeros(classes, len(self.kinds.numbers), config.quantiles, dtype=torch.float64))
        for j, (_, states) in enumerate(self.kinds.categories):
            self.register_buffer(f"shares{j}", torch.full((classes, states), 1 / states, dtype=torch.float64))
        self.register_buffer("correlation", torch.eye(width, dtype=torch.float64).repeat(classes, 1, 1))

    def facts(self) -> dict[str, Any]:
        """The correlation of every pair of columns, of each class."""
        return {"class_share": self.class_share.tolist(), "correlation": self.correlation.tolist()}

    def shares(self, j: int) -> Tensor:
        return self.get_buffer(f"shares{j}")

    # ---- fitting
    def start(self, batch: Batch) -> None:
        """All of the fit. A class without rows has the law of all."""
        x = batch["x"].reshape(len(batch["x"]), -1).double()
        label = batch["label"] if self.per_class else torch.zeros(len(x), dtype=torch.int64, device=x.device)
        for c in range(len(self.class_share)):
            own = x[label == c]
            self.class_share[c] = len(own) / len(x)
            own = own if len(own) > 1 else x
            self.rows[c] = len(own)
            self._marginals(c, own)
            self.correlation[c] = self._joined(c, own[:ROWS])

    def _marginals(self, c: int, x: Tensor) -> None:
        levels = (torch.arange(self.config.quantiles, dtype=torch.float64, device=x.device) + 0.5) / self.config.quantiles
        for i, place in enumerate(self.kinds.numbers):
            there = x[:, place][~x[:, place].isnan()].sort().values
            if len(there):
                self.quantiles[c, i] = there[(levels * len(there)).long().clamp(max=len(there) - 1)]
        for j, (place, states) in enumerate(self.kinds.categories):
            there = x[:, place][~x[:, place].isnan()].long()
            counts = torch.bincount(there, minlength=states).double()
            self.shares(j)[c] = counts / counts.sum() if len(there) else 1 / states

    def _cells(self, c: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """(lowest, highest) rank in [0, 1] of every value of x (n, V), numbers first; NaN where it is missing. Equal where a number stands
        between two quantiles, or is one that came once."""
        low, high = [], []
        for i, place in enumerate(self.kinds.numbers):
            a, b = ranks(self.quantiles[c, i], x[:, place])
            low.append(a)
            high.append(b)
        for j, (place, _) in enumerate(self.kinds.categories):
            order, ends = self._ordered(c, j)
            where = order.argsort()[x[:, place].nan_to_num().long()]
            gone = x[:, place].isnan()
            low.append((ends[where] - self.shares(j)[c][order][where]).masked_fill(gone, math.nan))
            high.append(ends[where].masked_fill(gone, math.nan))
        return torch.stack(low, 1), torch.stack(high, 1)

    def _often(self, c: int) -> float:
        """The width of a cell beyond which its value came more than twice."""
        return 2.5 / min(self.config.quantiles, float(self.rows[c]))

    def _ordered(self, c: int, j: int) -> tuple[Tensor, Tensor]:
        """The states of a category, the commonest first, and where each one's cell ends."""
        order = self.shares(j)[c].argsort(descending=True, stable=True)
        ends = self.shares(j)[c][order].cumsum(0)
        return order, ends / ends[-1]

    def _joined(self, c: int, x: Tensor) -> Tensor:
        """R (V, V): the correlations of scores that are drawn within their cells, and of missing ones anywhere, given R (Hoff 2007,
        "Extending the rank likelihood for semiparametric copula estimation"), averaged over the second half of the rounds."""
        low, high = self._cells(c, x)
        gone = low.isnan()
        low, high = low.masked_fill(gone, 0.0), high.masked_fill(gone, 1.0)
        z: Tensor = torch.special.ndtri(((low + high) / 2).clamp(EDGE, 1 - EDGE))
        wide = ((high - low) > self._often(c)).any(0).nonzero()[:, 0].tolist()
        found, total = correlations(z), torch.zeros_like(self.correlation[c])
        if not wide:
            return found
        for k in range(ROUNDS):
            inverse = torch.linalg.inv(found)
            for i in wide:
                variance = 1 / inverse[i, i]
                mean = z[:, i] - variance * (z @ inverse[:, i])
                z[:, i] = truncated(mean, variance.sqrt(), low[:, i], high[:, i], torch.rand(len(z), dtype=z.dtype, device=z.device))
            found = correlations(z)
            if k >= ROUNDS // 2:
                total += found / (ROUNDS - ROUNDS // 2)
        return correlated(total)

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Nothing: `start` saw what is kept."""
        return {"examples": torch.tensor(float(len(batch["x"])), dtype=torch.float64)}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        return {"rows": float(stats["examples"])}

    # ---- what it is for
    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        label = self._label(n, noise, cond)
        z = noise.normal(self.correlation.shape[1]).double()
        root = torch.linalg.cholesky(self.correlation)
        return self._rows((root[label] @ z[..., None])[..., 0], label)

    def _label(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        if not self.per_class:
            return torch.zeros(n, dtype=torch.int64, device=self.class_share.device)
        if (label := cond.get("label")) is not None:
            return label
        return noise.fork("label").categorical(self.class_share.log().expand(n, -1))

    def _rows(self, z: Tensor, label: Tensor) -> Tensor:
        """x of scores z (n, V): read off each row's class's laws."""
        u = torch.special.ndtr(z)
        numbers, states = z.new_zeros(len(z), len(self.kinds.numbers)), z.new_zeros(len(z), len(self.kinds.categories))
        for c in torch.unique(label).tolist():
            rows = label == c
            for i in range(numbers.shape[1]):
                numbers[rows, i] = values(self.quantiles[c, i], u[rows, i])
            for j in range(states.shape[1]):
                order, ends = self._ordered(c, j)
                place = torch.searchsorted(ends, u[rows, numbers.shape[1] + j].contiguous()).clamp(max=len(order) - 1)
                states[rows, j] = order[place].double()
        x = self.kinds.joined(numbers, states, self.data)
        leaf = self.data.leaves["x"]
        return x if leaf.columns or leaf.classes or leaf.double else x.float().view(-1, *self.data.shape)

    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:
        """Draws of the others given what is known: scores of the known within their cells by Gibbs, then the others' conditional law."""
        x, known = batch["x"].reshape(len(batch["x"]), -1).double(), known.reshape(len(known), -1)
        label = batch.get("label") if self.per_class else None
        label = self._label(len(x), noise, {"label": label} if label is not None else {})
        hidden, z = x.masked_fill(~known, math.nan), torch.empty_like(x)
        for c in torch.unique(label).tolist():
            rows = (label == c).nonzero()[:, 0]
            z[rows] = self._completed(c, hidden[rows], noise[rows.tolist()])
        filled = self._rows(z, label).reshape(x.shape).to(batch["x"])
        return torch.where(known.view_as(batch["x"]), batch["x"], filled.view_as(batch["x"]))

    def _completed(self, c: int, x: Tensor, noise: Noise) -> Tensor:
        """Scores (n, V) of rows whose NaN are free."""
        low, high = self._cells(c, x)
        z: Tensor = torch.special.ndtri(((low + high) / 2).clamp(EDGE, 1 - EDGE))
        own = noise.fork("cells")
        for mask, rows in patterns(~z.isnan()):
            streams = own[rows.tolist()]
            z[rows] = self._conditional(c, z[rows], low[rows], high[rows], mask, streams)
        return z

    def _conditional(self, c: int, z: Tensor, low: Tensor, high: Tensor, mask: Tensor, noise: Noise) -> Tensor:
        """One pattern of what is known, mask (V,): Gibbs over the scores of wide cells, then the rest by its conditional Gaussian."""
        places, free = mask.nonzero()[:, 0], (~mask).nonzero()[:, 0]
        block = self.correlation[c][places][:, places]
        if len(places):
            inverse = torch.linalg.inv(block)
            wide = ((high - low)[:, places] > self._often(c)).any(0)
            for _ in range(SWEEPS if bool(wide.any()) else 0):
                u = noise.uniform(len(places)).to(z.device)
                for i in wide.nonzero()[:, 0].tolist():
                    variance = 1 / inverse[i, i]
                    mean = z[:, places[i]] - variance * (z[:, places] @ inverse[:, i])
                    z[:, places[i]] = truncated(mean, variance.sqrt(), low[:, places[i]], high[:, places[i]], u[:, i])
        if len(free):
            cross = self.correlation[c][free][:, places]
            gain = cross @ inverse if len(places) else cross
            rest = self.correlation[c][free][:, free] - gain @ cross.mT
            fresh = noise.normal(len(self.correlation[c])).double()[:, free]
            z[:, free] = z[:, places] @ gain.mT + fresh @ torch.linalg.cholesky(rest + 1e-9 * torch.eye(len(free)).to(rest)).mT
        return z


def ranks(knots: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The ranks in [0, 1] among sorted knots (Q,) at which values x (n,) begin and end; between two knots, the same one."""
    count, given = len(knots), x.nan_to_num(nan=float(knots[len(knots) // 2])).contiguous()
    low, high = torch.searchsorted(knots, given), torch.searchsorted(knots, given, right=True)
    before, after = knots[(low - 1).clamp(min=0)], knots[low.clamp(max=count - 1)]
    part = ((given - before) / (after - before).where(after > before, 1.0)).clamp(0, 1).where(low > 0, 0.0)
    between = ((low - 0.5 + part) / count).clamp(0.5 / count, 1 - 0.5 / count)
    there = high > low
    gone = x.isnan()
    first, last = torch.where(there, low / count, between), torch.where(there, high / count, between)
    return first.masked_fill(gone, math.nan), last.masked_fill(gone, math.nan)


def values(knots: Tensor, u: Tensor) -> Tensor:
    """What stands at ranks u (n,) of sorted knots (Q,), on a line between two of them."""
    place = (u * len(knots) - 0.5).clamp(0, len(knots) - 1)
    low = place.floor().long()
    return knots[low] + (place - low) * (knots[(low + 1).clamp(max=len(knots) - 1)] - knots[low])


def truncated(mean: Tensor, deviation: Tensor, low: Tensor, high: Tensor, u: Tensor) -> Tensor:
    """Draws of N(mean, deviation²) within Φ⁻¹(low) … Φ⁻¹(high), by uniforms u; (n,) each."""
    ends = [torch.special.ndtri(end.clamp(EDGE, 1 - EDGE)) for end in (low, high)]
    a, b = (torch.special.ndtr((end - mean) / deviation) for end in ends)
    found = mean + deviation * torch.special.ndtri((a + u * (b - a)).clamp(EDGE, 1 - EDGE))
    clipped: Tensor = found.clamp(min=ends[0], max=ends[1])
    return clipped


def correlations(z: Tensor) -> Tensor:
    """Of scores z (n, V): (V, V); 0 with a column that does not vary."""
    z = z - z.mean(0)
    spread = z.square().sum(0).sqrt()
    return correlated(z.mT @ z / (spread[:, None] * spread).clamp(min=1e-300))


def correlated(found: Tensor) -> Tensor:
    """The matrix (V, V) with eigenvalues of at least 1e-6 and a diagonal of ones."""
    found = torch.where(torch.isfinite(found), found, 0.0).clamp(-1, 1)
    found.fill_diagonal_(1)
    vectors = torch.linalg.eigh((found + found.mT) / 2)
    found = (vectors.eigenvectors * vectors.eigenvalues.clamp(min=1e-6)) @ vectors.eigenvectors.mT
    scale = found.diagonal().rsqrt()
    scaled: Tensor = found * scale[:, None] * scale
    return scaled
