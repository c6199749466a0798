"""Gaussians by a factor of their precision, Σ⁻¹ = U Uᵀ: densities, moments, draws, conditionals.

U is what a density and a fit need; with it neither inverts anything. K Gaussians of d numbers have means (K, d) and roots of a shape that
the kind of covariance decides: upper triangles (K, d, d) full, 1/σ (K, d) along the axes, 1/σ (K,) for balls. "White" is Uᵀ(x − μ).
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import Noise

from .conditionals import Rest, Split, distinct, patterns

TABLE = 1 << 22  # numbers of matrices that rows of their own have, in memory at once
FEW = 16  # rows of a pattern, from which on it costs less to do them by themselves


class Kind(Protocol):
    """A family of covariances. "Squares" stand in the shape of a root: xxᵀ (…, d, d), x² (…, d), or |x|² (…)."""

    def size(self, d: int) -> tuple[int, ...]: ...  # of one root
    def numbers(self, d: int) -> int: ...  # squares in each entry
    def freedom(self, d: int) -> int: ...  # c of the normal-inverse-Wishart law's mode: see em.Prior
    def eye(self, d: int) -> Tensor: ...
    def white(self, x: Tensor, means: Tensor, root: Tensor) -> Tensor: ...  # (n, d) → (K, n, d), a fresh tensor
    def log_det(self, root: Tensor, d: int) -> Tensor: ...  # log |U|, (K,)
    def squares(self, x: Tensor) -> Tensor: ...  # (…, d) → one row's
    def summed(self, x: Tensor) -> Tensor: ...  # (K, n, d) → the sum over n
    def coloured(self, z: Tensor, root: Tensor) -> Tensor: ...  # (…, n, d) → U⁻ᵀ z
    def squares_back(self, white: Tensor, root: Tensor) -> Tensor: ...  # of white numbers → of the numbers themselves
    def factor(self, covariance: Tensor) -> Tensor: ...  # → root. Raises Singular
    def inner(self, root: Tensor, squares: Tensor) -> Tensor: ...  # tr(Σ⁻¹ · squares), (K,)
    def partial(self, x: Tensor, means: Tensor, root: Tensor) -> Partial: ...  # rows (m, d) in which NaN is missing
    def impute(self, x: Tensor, known: Tensor, means: Tensor, root: Tensor, log_weight: Tensor, noise: Noise) -> Drawn: ...


class Partial(NamedTuple):
    """What K Gaussians say of rows of which some numbers are missing."""

    log: Tensor  # (K, m) log N of what is there
    white: Tensor  # (K, m, d) of all numbers, the missing ones where they are expected
    spare: Tensor  # (K, P, …) the squares of the white numbers beyond that, of each pattern of what is missing
    which: Tensor  # (m,) the pattern of each row


class Drawn(NamedTuple):
    """Rows that are filled in, (n, d), and the component that each was filled in by, (n,)."""

    x: Tensor
    component: Tensor


class Singular(GentkError):
    """A covariance with a direction in which nothing varies."""


class Full:
    """Any ellipsoid."""

    def size(self, d: int) -> tuple[int, ...]:
        return d, d

    def numbers(self, d: int) -> int:
        return 1

    def freedom(self, d: int) -> int:
        return d + 2

    def eye(self, d: int) -> Tensor:
        return torch.eye(d, dtype=torch.float64)

    def white(self, x: Tensor, means: Tensor, root: Tensor) -> Tensor:
        k, d, _ = root.shape
        white = (root.mT.reshape(k * d, d) @ x.mT).view(k, d, len(x))  # one product of all; rows side by side for what is done to each
        return white.sub_((means[:, None] @ root).mT).mT

    def log_det(self, root: Tensor, d: int) -> Tensor:
        return root.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def squares(self, x: Tensor) -> Tensor:
        return x[..., :, None] * x[..., None, :]

    def summed(self, x: Tensor) -> Tensor:
        return x.mT @ x

    def coloured(self, z: Tensor, root: Tensor) -> Tensor:
        d = root.shape[-1]
        if z.shape[-2] > d:  # of many rows, one product costs less than solving for each
            turned: Tensor = z @ torch.linalg.solve_triangular(root, self.eye(d).to(root), upper=True)
            return turned
        found: Tensor = torch.linalg.solve_triangular(root.mT, z.mT, upper=False).mT
        return found

    def squares_back(self, white: Tensor, root: Tensor) -> Tensor:
        half = torch.linalg.solve_triangular(root.mT, white, upper=False)
        found: Tensor = torch.linalg.solve_triangular(root.mT, half.mT, upper=False)
        return found

    def factor(self, covariance: Tensor) -> Tensor:
        lower, info = torch.linalg.cholesky_ex(covariance)
        if bool(info.any()):
            raise Singular("a covariance is not positive")
        found: Tensor = torch.linalg.solve_triangular(lower, self.eye(lower.shape[-1]).to(lower), upper=False).mT.contiguous()
        return found

    def inner(self, root: Tensor, squares: Tensor) -> Tensor:
        return ((root @ root.mT) * squares).sum((-2, -1))

    def partial(self, x: Tensor, means: Tensor, root: Tensor) -> Partial:
        """What is missing is expected where `Rest` says. Rows that lack the same numbers share their matrices."""
        gone, which = distinct(x.isnan())
        rest = Rest.of(root, gone)
        apart = self._apart(x, means, root, rest, gone[which], which)
        white = apart @ root
        log = self._log(white, root, rest, gone[which], which)
        return Partial(log, white, root.mT[:, None] @ rest.covariance @ root[:, None], which)

    def _apart(self, x: Tensor, means: Tensor, root: Tensor, rest: Rest, gone: Tensor, which: Tensor) -> Tensor:
        """x − μ (K, m, d), what is missing where it is expected; of rows with the patterns `which` of `rest`, which lack `gone` (m, d)."""
        there = (x - means[:, None]).masked_fill(gone, 0.0)
        pull = there @ (root @ root.mT)
        return there - (rest.covariance[:, which] @ pull[..., None])[..., 0]

    def _log(self, white: Tensor, root: Tensor, rest: Rest, gone: Tensor, which: Tensor) -> Tensor:
        """log N of what is there, (K, m), from white numbers."""
        log_det = (self.log_det(root, white.shape[-1])[:, None] - rest.log_det)[:, which]
        return log_det - 0.5 * white.square().sum(-1) - 0.5 * math.log(2 * math.pi) * (~gone).to(white).sum(1)

    def impute(self, x: Tensor, known: Tensor, means: Tensor, root: Tensor, log_weight: Tensor, noise: Noise) -> Drawn:
        """A component by how well it explains the known numbers, then the others by their conditional law.

        Rows that know the same numbers share their arithmetic, so that a mask for all costs as much as one row; where few do, many rows
        are done at once.
        """
        if len(x) >= FEW * len(distinct(known)[0]):
            return self._impute_patterns(x, known, means, root, log_weight, noise)
        step = max(1, TABLE // root.numel())
        parts = []
        for rows in torch.split(torch.arange(len(x), device=x.device), step):
            own = noise if step >= len(x) else noise[rows.tolist()]
            parts.append(self._impute_rows(x[rows], known[rows], means, root, log_weight[rows], own))
        return Drawn(torch.cat([part.x for part in parts]), torch.cat([part.component for part in parts]))

    def _impute_rows(self, x: Tensor, known: Tensor, means: Tensor, root: Tensor, log_weight: Tensor, noise: Noise) -> Drawn:
        gone, which = distinct(~known)
        rest = Rest.of(root, gone)
        apart = self._apart(x, means, root, rest, ~known, which)
        component = noise.categorical(log_weight + self._log(apart @ root, root, rest, ~known, which).T)
        z = noise.normal(x.shape[1]).double()
        lower = rest.lower[component, which]
        spread = torch.linalg.solve_triangular(lower.mT, z[..., None], upper=True)[..., 0]
        middle = means[component] + apart[component, torch.arange(len(x), device=x.device)]
        return Drawn(torch.where(known, x, middle + spread), component)

    def _impute_patterns(self, x: Tensor, known: Tensor, means: Tensor, root: Tensor, log_weight: Tensor, noise: Noise) -> Drawn:
        out, which = torch.empty_like(x), torch.empty(len(x), dtype=torch.int64, device=x.device)
        for mask, rows in patterns(known):
            part, given, own = Split.of(root, mask), x[rows][:, mask], noise[rows.tolist()]
            apart = given - means[:, None, mask]  # (K, m, a)
            log_prob = part.log_det[:, None] - 0.5 * (apart @ part.white).square().sum(-1)
            component = own.categorical(log_weight[rows] + log_prob.T)
            which[rows] = component
            order = torch.arange(len(rows), device=x.device)
            middle = (means[:, None, ~mask] + apart @ part.gain)[component, order]
            z = own.normal(x.shape[1]).double()[:, ~mask]
            out[rows] = x[rows].index_put((order[:, None], (~mask).nonzero()[:, 0]), middle + part.spread(z, component))
        return Drawn(out, which)


class Diagonal:
    """An ellipsoid along the axes."""

    def size(self, d: int) -> tuple[int, ...]:
        return (d,)

    def numbers(self, d: int) -> int:
        return 1

    def freedom(self, d: int) -> int:
        return 3

    def eye(self, d: int) -> Tensor:
        return torch.ones(d, dtype=torch.float64)

    def axes(self, root: Tensor) -> Tensor:
        """1/σ, broadcasting over (K, d)."""
        return root

    def white(self, x: Tensor, means: Tensor, root: Tensor) -> Tensor:
        found: Tensor = (x - means[:, None]).mul_(self.axes(root)[:, None])
        return found

    def log_det(self, root: Tensor, d: int) -> Tensor:
        return root.log().sum(-1)

    def squares(self, x: Tensor) -> Tensor:
        return x.square()

    def summed(self, x: Tensor) -> Tensor:
        return x.square().sum(-2)

    def coloured(self, z: Tensor, root: Tensor) -> Tensor:
        return z / self.axes(root)[..., None, :]

    def squares_back(self, white: Tensor, root: Tensor) -> Tensor:
        return white / root.square()

    def factor(self, covariance: Tensor) -> Tensor:
        if not bool((covariance > 0).all()):
            raise Singular("a variance is not positive")
        return covariance.rsqrt()

    def inner(self, root: Tensor, squares: Tensor) -> Tensor:
        return (root.square() * squares).sum(-1)

    def partial(self, x: Tensor, means: Tensor, root: Tensor) -> Partial:
        axes, gone = self.axes(root).expand_as(means), x.isnan()
        white = ((x - means[:, None]) * axes[:, None]).masked_fill(gone, 0.0)
        log_det = axes.log() @ (~gone).to(axes).mT
        log = log_det - 0.5 * white.square().sum(-1) - 0.5 * math.log(2 * math.pi) * (~gone).to(white).sum(1)
        missing = gone.to(white).expand_as(white)  # a number that is missing varies as the component does: 1 in white squares
        return Partial(log, white, self.squares(missing), torch.arange(len(x), device=x.device))

    def impute(self, x: Tensor, known: Tensor, means: Tensor, root: Tensor, log_weight: Tensor, noise: Noise) -> Drawn:
        """Given the component the numbers do not know of each other: the known ones only say which it is."""
        axes = self.axes(root).expand_as(means)
        log_prob = (axes.log()[:, None] - 0.5 * self.white(x, means, root).square()).mul_(known).sum(-1)
        component = noise.categorical(log_weight + log_prob.T)
        drawn = means[component] + noise.normal(x.shape[1]).double() / axes[component]
        return Drawn(torch.where(known, x, drawn), component)


class Spherical(Diagonal):
    """A ball."""

    def size(self, d: int) -> tuple[int, ...]:
        return ()

    def numbers(self, d: int) -> int:
        return d

    def freedom(self, d: int) -> int:
        return d + 2

    def eye(self, d: int) -> Tensor:
        return torch.ones((), dtype=torch.float64)

    def axes(self, root: Tensor) -> Tensor:
        return root[..., None]

    def log_det(self, root: Tensor, d: int) -> Tensor:
        return d * root.log()

    def squares(self, x: Tensor) -> Tensor:
        return x.square().sum(-1)

    def summed(self, x: Tensor) -> Tensor:
        return x.square().sum((-2, -1))

    def inner(self, root: Tensor, squares: Tensor) -> Tensor:
        return root.square() * squares


KINDS: dict[str, Kind] = {"full": Full(), "diag": Diagonal(), "spherical": Spherical()}


def log_normal(white: Tensor, log_det: Tensor) -> Tensor:
    """log N(x; μ_k, Σ_k), (K, n), from white numbers (K, n, d) and log |U_k| (K,)."""
    constant = log_det - 0.5 * white.shape[-1] * math.log(2 * math.pi)
    return torch.add(constant[:, None], white.square().sum(-1), alpha=-0.5)
