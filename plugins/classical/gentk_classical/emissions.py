"""What a hidden state says: a vector of numbers by a Gaussian of its own, or a token by a law of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from gentk.clustering import assign, kmeans

from .chains import inverse_cdf

Covariance = Literal["full", "diag", "spherical"]
SOME = 20_000  # points that k-means looks at
LARGEST = 2.0**15  # sum of terms that may cancel in an expanded density: its last bit is 10⁻¹¹
FEW = 1 << 14  # differences of a number and a mean, which are soon made


class _Expanded(NamedTuple):
    """log p(x | k) = constant + slope · terms(x)."""

    offset: Tensor  # (K, D) μ_k − c
    terms: Tensor  # (F, N) y = x − c, and its squares: of each number, or with full covariances all D² products
    slope: Tensor  # (K, F)
    constant: Tensor  # (K,)


class Gaussian(nn.Module):
    """p(x | k) = N(x; μ_k, Σ_k), x (D,). float64 buffers: mean (K, D); covariance (K, D, D) full, (K, D) diag or (K,) spherical.

    No eigenvalue of a covariance is below `floor`. What would be is raised to it, which is the maximum under that constraint, so that
    no step of EM loses likelihood.
    """

    mean: Tensor
    covariance: Tensor

    def __init__(self, states: int, dim: int, kind: Covariance, floor: float) -> None:
        super().__init__()
        self.kind, self.floor = kind, floor
        self.register_buffer("mean", torch.zeros(states, dim, dtype=torch.float64))
        shape = {"full": (states, dim, dim), "diag": (states, dim), "spherical": (states,)}[kind]
        one = torch.eye(dim, dtype=torch.float64) if kind == "full" else torch.ones((), dtype=torch.float64)
        self.register_buffer("covariance", one.expand(shape).clone())

    def start(self, x: Tensor) -> Tensor:
        """Centres by k-means, and around each the covariance of its points. x (N, D) → each point's centre, (N,)."""
        centres = kmeans(x[:: max(1, len(x) // SOME)], len(self.mean))
        nearest, _ = assign(x, centres)
        share = nn.functional.one_hot(nearest, len(centres)).double()
        self.mean.copy_(x.mean(0).expand_as(self.mean))
        self.covariance.copy_(self._of_full(torch.cov(x.T).reshape(1, x.shape[1], -1)).expand_as(self.covariance))  # of an empty centre
        self.update(self.statistics(x, share))
        return nearest

    def matrices(self) -> Tensor:
        """Σ, (K, D, D)."""
        if self.kind == "full":
            return self.covariance
        return torch.diag_embed(self._variances())

    def _variances(self) -> Tensor:
        return self.covariance if self.kind == "diag" else self.covariance[:, None].expand_as(self.mean)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x | k), (…, D) → (…, K), the states first in memory."""
        points = x.reshape(-1, x.shape[-1])
        expanded = self._expanded(points)
        if expanded is None:
            root = self._root()
            found = self._whitened(points, root).square_().sum(1).mul_(-0.5) + self._log_norm(root)[:, None]
        else:
            found = torch.addmm(expanded.constant[:, None], expanded.slope, expanded.terms)
        return found.view(-1, *x.shape[:-1]).movedim(0, -1)

    def _whitened(self, x: Tensor, root: Tensor) -> Tensor:
        """Root⁻¹ (x − μ_k), (N, D) → (K, D, N)."""
        if self.kind == "full":
            eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
            white: Tensor = torch.linalg.solve_triangular(root, eye, upper=False) @ self._centred(x)
            return white
        return self._centred(x).div_(root[..., None])

    def _root(self) -> Tensor:
        """Of the covariances: triangular (K, D, D), or deviations (K, D)."""
        root: Tensor = torch.linalg.cholesky(self.covariance) if self.kind == "full" else self._variances().sqrt()
        return root

    def _log_norm(self, root: Tensor) -> Tensor:
        """log N(μ_k; μ_k, Σ_k), (K,)."""
        deviation = root.diagonal(dim1=1, dim2=2) if self.kind == "full" else root
        return -deviation.log().sum(1) - 0.5 * self.mean.shape[1] * math.log(2 * math.pi)

    def _centred(self, x: Tensor) -> Tensor:
        """x − μ_k, (N, D) → (K, D, N): the points last, over which everything runs fastest."""
        return x.mT.contiguous() - self.mean[..., None]

    def _expanded(self, x: Tensor) -> _Expanded | None:
        """The densities of x (N, D) as polynomials in y = x − c, if they lose no digits: one product of matrices instead of K·D·N
        differences. What is lost is the rounding of their largest terms, which grow with (range / deviation)²."""
        states, dim = self.mean.shape
        if x.requires_grad or x.numel() * states < FEW or (self.kind == "full" and dim > states):
            return None  # it is written in place; the calls take longer; D² squares are more than K·D differences
        centre = self.mean.mean(0)
        offset = self.mean - centre
        terms = x.new_empty(dim * (1 + (dim if self.kind == "full" else 1)), len(x))
        y = torch.sub(x.mT, centre[:, None], out=terms[:dim])
        root = self._root()
        if self.kind == "full":
            precision = torch.cholesky_inverse(root)
            pull = (precision @ offset[..., None])[..., 0]
        else:
            precision = self._variances().reciprocal()
            pull = precision * offset
        slope = torch.cat([pull, -0.5 * precision.flatten(1)], 1)
        constant = self._log_norm(root) - 0.5 * (pull * offset).sum(1)
        reach = y.abs().amax(1)
        reaches = torch.cat([reach, torch.outer(reach, reach).flatten() if self.kind == "full" else reach.square()])
        if not bool((slope.abs() @ reaches + constant.abs()).amax() <= LARGEST):  # nor where there are NaNs
            return None
        if self.kind == "full":
            torch.mul(y[:, None], y, out=terms[dim:].view(dim, dim, -1))
        else:
            torch.mul(y, y, out=terms[dim:])
        return _Expanded(offset, terms, slope, constant)

    def statistics(self, x: Tensor, posterior: Tensor) -> dict[str, Tensor]:
        """Sums over x (N, D) weighted by `posterior` (N, K), centred on the present means."""
        weight = posterior.T
        expanded, total = self._expanded(x), weight.sum(1)
        if expanded is None:
            return {"weight": total, **self._sums(self._centred(x), weight.contiguous())}
        offset, dim = expanded.offset, x.shape[1]
        sums = weight @ expanded.terms.T
        raw, second = sums[:, :dim], sums[:, dim:]
        first = raw - total[:, None] * offset
        if self.kind == "full":
            crossed = offset[:, :, None] * raw[:, None]
            second = second.view(-1, dim, dim) - crossed - crossed.mT + total[:, None, None] * offset[:, :, None] * offset[:, None]
        else:
            second = second - offset * (raw + first)
        return {"weight": total, "first": first, "second": second}

    def _sums(self, centred: Tensor, weight: Tensor) -> dict[str, Tensor]:
        first = (centred @ weight[..., None])[..., 0]
        if self.kind == "full":
            return {"first": first, "second": (centred * weight[:, None]) @ centred.mT}
        return {"first": first, "second": (centred.square_() @ weight[..., None])[..., 0]}

    def update(self, stats: Mapping[str, Tensor]) -> None:
        """The weighted means and covariances. A state that nothing was seen in stays as it is."""
        weight = stats["weight"]
        seen = (weight > 1e-10).nonzero()[:, 0]
        shift = stats["first"][seen] / weight[seen, None]
        if self.kind == "full":
            covariance = stats["second"][seen] / weight[seen, None, None] - shift[:, :, None] * shift[:, None]
        else:
            covariance = stats["second"][seen] / weight[seen, None] - shift.square()
        self.covariance[seen] = self._raised(covariance if self.kind != "spherical" else covariance.mean(1))
        self.mean[seen] += shift

    def _raised(self, covariance: Tensor) -> Tensor:
        if self.kind != "full":
            return covariance.clamp(min=self.floor)
        covariance = (covariance + covariance.mT) / 2
        value, vector = torch.linalg.eigh(covariance)
        raised = (vector * value.clamp(min=self.floor)[:, None]) @ vector.mT
        return torch.where((value.amin(1) < self.floor)[:, None, None], raised, covariance)

    def _of_full(self, covariance: Tensor) -> Tensor:
        diagonal = covariance.diagonal(dim1=1, dim2=2)
        found = {"full": covariance, "diag": diagonal, "spherical": diagonal.mean(1)}[self.kind]
        return self._raised(found)

    def decode(self, state: Tensor) -> Tensor:
        """Each state's mean, (…) → (…, D)."""
        return self.mean[state]

    def draw(self, state: Tensor, z: Tensor) -> Tensor:
        """x (…, D) of states (…), by normals z (…, D)."""
        root = torch.linalg.cholesky(self.matrices())
        drawn: Tensor = self.mean[state] + (root[state] @ z.double()[..., None])[..., 0]
        return drawn

    def log_prob_of(self, x: Tensor, known: Tensor) -> Tensor:
        """log p(the known numbers of x | k), x and known (N, D) → (N, K); 0 where none is known."""
        out, matrices = x.new_zeros(len(x), len(self.mean)), self.matrices()
        for rows, seen, _ in patterns(known):
            if len(seen):
                part = Gaussian(len(self.mean), len(seen), "full", 0.0)
                part.mean, part.covariance = self.mean[:, seen], matrices[:, seen][:, :, seen]
                out[rows] = part.log_prob(x[rows][:, seen])
        return out

    def fill(self, x: Tensor, known: Tensor, state: Tensor, z: Tensor) -> Tensor:
        """x (N, D) with what is not known drawn from p(· | the known numbers, state), by normals z (N, D)."""
        x, matrices = x.clone(), self.matrices()
        for rows, seen, missing in patterns(known):
            for k in torch.unique(state[rows]).tolist():
                here, covariance, mean = rows[state[rows] == k], matrices[k], self.mean[k]
                slope = torch.linalg.solve(covariance[seen][:, seen], covariance[seen][:, missing])  # (seen, missing)
                left = covariance[missing][:, missing] - covariance[missing][:, seen] @ slope
                guess = mean[missing] + (x[here][:, seen] - mean[seen]) @ slope
                root = torch.linalg.cholesky((left + left.T) / 2)
                x[here[:, None], missing] = guess + z[here[:, None], missing].double() @ root.T
        return x


class Categorical(nn.Module):
    """p(x | k) = probability[k, x], a token. float64 buffer: probability (K, V)."""

    probability: Tensor

    def __init__(self, states: int, tokens: int, smoothing: float) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.register_buffer("probability", torch.full((states, tokens), 1 / tokens, dtype=torch.float64))

    def start(self, x: Tensor) -> None:
        """Each state's law is that of the tokens x (N,), every chance of it times a draw from Exp(1)."""
        share = torch.bincount(x, minlength=self.probability.shape[1]).double() + 1e-3
        law = share * -torch.rand_like(self.probability).clamp(min=1e-12).log()
        self.probability.copy_(law / law.sum(1, keepdim=True))

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x | k), (…) → (…, K), the states first in memory."""
        return self.probability.log()[:, x].movedim(0, -1)

    def statistics(self, x: Tensor, posterior: Tensor) -> dict[str, Tensor]:
        """Expected counts of tokens x (N,) with `posterior` (N, K)."""
        counts = posterior.new_zeros(self.probability.shape[::-1]).index_add_(0, x, posterior)
        return {"tokens": counts.T.contiguous()}

    def update(self, stats: Mapping[str, Tensor]) -> None:
        self.probability.copy_(shares(stats["tokens"] + self.smoothing, self.probability))

    def decode(self, state: Tensor) -> Tensor:
        """Each state's likeliest token, (…) → (…)."""
        return self.probability.argmax(1)[state]

    def draw(self, state: Tensor, u: Tensor) -> Tensor:
        """Tokens of states (…), by uniforms u (…)."""
        return inverse_cdf(self.probability[state], u)

    def log_prob_of(self, x: Tensor, known: Tensor) -> Tensor:
        """log p(x | k) where `known` (N,), else 0: (N, K)."""
        return torch.where(known[:, None], self.log_prob(torch.where(known, x, 0)), 0.0)

    def fill(self, x: Tensor, known: Tensor, state: Tensor, u: Tensor) -> Tensor:
        return torch.where(known, x, self.draw(state, u))


def shares(counts: Tensor, otherwise: Tensor) -> Tensor:
    """Rows divided by their sums; a row of nothing is taken from `otherwise`."""
    total = counts.sum(-1, keepdim=True)
    return torch.where(total > 0, counts / total.clamp(min=1e-300), otherwise)


def patterns(known: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The rows of `known` (N, D) that are alike: (rows, which numbers are known, which are not) for each pattern."""
    kinds, which = torch.unique(known, dim=0, return_inverse=True)
    return [((which == i).nonzero()[:, 0], kind.nonzero()[:, 0], (~kind).nonzero()[:, 0]) for i, kind in enumerate(kinds)]
