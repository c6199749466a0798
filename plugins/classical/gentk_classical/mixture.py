"""`gmm`: a mixture of Gaussians, of all examples or one for each class (Dempster, Laird & Rubin 1977; McLachlan & Peel 2000)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.clustering import assign, kmeans
from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.protocols import Batch, Condition, DataSpec, Noise

from .config import GMMConfig
from .em import Mixture, Prior, Sums, expected, log_joint, maximised
from .gaussians import KINDS, Singular
from .quantised import Bins, flat, shaped

TRIAL = 10  # steps of EM after which the starts are compared
SMALL = 64  # numbers up to which facts() tells the means
FEW = 8  # numbers of an example, up to which a matrix is gathered for each of its draws


class GMM(nn.Module):
    """p(x) = Σ_k π_k N(x; μ_k, Σ_k), or p(x | label) of that form and p(x) = Σ_c p(c) p(x | c).

    State, float64: class_share (C,), weights (C, K), means (C, K, d) and root, U of the precision U Uᵀ: (C, K, d, d) full, (C, K, d)
    diag, (C, K) spherical; C is 1 without classes. Fitted by EM, from the best of `n_init` k-means++ starts; each pass changes the
    parameters to

        π_k = n_k / n,   μ_k = Σ r x / n_k,   Σ_k = Σ r (x − μ_k)(x − μ_k)ᵀ / n_k + covariance_floor · 1,   n_k = Σ r,

    r = p(k | x) under those before. With estimate = "map" to the posterior's mode, Prior's centre m and scale Λ being those of the
    examples at the start:

        π_k ∝ n_k + α − 1,   μ_k = (Σ r x + κ m) / (n_k + κ),
        Σ_k = (Λ + Σ r (x − x̄_k)(x − x̄_k)ᵀ + κ n_k / (κ + n_k) (x̄_k − m)(x̄_k − m)ᵀ) / (ν + d + 2 + n_k) + covariance_floor · 1.

    Quantised data: the Gaussians are of the numbers before rounding, so the variance of rounding, width²/12, joins the floor; `log_prob`
    is then a mass, a draw of a lower bound by uniform dequantisation; and draws are rounded to the levels.
    """

    Config = GMMConfig
    class_share: Tensor
    weights: Tensor
    means: Tensor
    root: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, config: GMMConfig, data: DataSpec) -> None:
        super().__init__()
        real_numbers(data, "gmm")
        if config.per_class and "label" not in data.conditions:
            raise UsageError("gmm: per_class needs a data set with labels; leave it out for one mixture of all")
        self.config, self.data, self.kind = config, data, KINDS[config.covariance]
        self.passes, self.start_size = config.passes, config.start_size
        self.conditions: Mapping[str, Condition] = {"label": Label.of(data)} if config.per_class else {}
        self.bins = Bins.of(data.leaves["x"])
        self.likelihood: Literal["exact", "bound"] = "bound" if self.bins else "exact"
        self.floor = config.covariance_floor + (self.bins.variance if self.bins else 0.0)
        self.volume = self.bins.log_volume(math.prod(data.shape)) if self.bins else 0.0
        self.dtype = torch.float32 if config.compute == "float32" else torch.float64
        classes = data.conditions["label"].classes if config.per_class else 1
        k, d = config.components, math.prod(data.shape)
        size = self.kind.size(d)
        self._state("class_share", torch.full((classes,), 1 / classes))
        self._state("weights", torch.full((classes, k), 1 / k))
        self._state("means", torch.zeros(classes, k, d))
        self._state("root", self.kind.eye(d).expand(classes, k, *size))
        if config.estimate == "map":
            self._state("centre", torch.zeros(classes, d))
            self._state("scale", self.kind.eye(d).expand(classes, *size))

    def _state(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value.double().clone())

    # ---- the parameters
    def mixture(self, c: int) -> Mixture:
        """That of class c."""
        return Mixture(self.weights[c], self.means[c], self.root[c])

    def all(self) -> Mixture:
        """Every class's components side by side, C·K of them; the weights are log p(c) + log π."""
        weights = self.class_share.log()[:, None] + self.weights.log()
        return Mixture(weights.flatten(), self.means.flatten(0, 1), self.root.flatten(0, 1))

    @property
    def covariances(self) -> Tensor:
        """Σ: (C, K, d, d) full, (C, K, d) diag, (C, K) spherical."""
        mixture = self.all()
        eye = self.kind.eye(self.means.shape[-1]).to(self.root).expand_as(mixture.root)
        return self.kind.squares_back(eye, mixture.root).view_as(self.root)

    def prior(self, c: int) -> Prior | None:
        if self.config.estimate == "ml":
            return None
        config, nu = self.config, self.config.prior_nu or self.means.shape[-1] + 2
        return Prior(config.prior_alpha, config.prior_kappa, nu, self.centre[c], self.scale[c])

    def facts(self) -> dict[str, Any]:
        """Shares of the components (of each class), and the means where they are few numbers."""
        told: dict[str, Any] = {"weights": self.weights.tolist()}
        if self.conditions:
            told["class_share"] = self.class_share.tolist()
        if self.means[0].numel() <= SMALL:
            told["means"] = self.means.tolist()
        return told

    # ---- fitting
    def classes_of(self, batch: Batch) -> Iterator[tuple[int, Tensor]]:
        """(class, its examples (m, d) float64)."""
        x = flat(batch["x"])
        for c in range(len(self.weights)):
            yield c, x[batch["label"] == c] if self.conditions else x

    def start(self, batch: Batch) -> None:
        x = flat(batch["x"])
        for c, own in self.classes_of(batch):
            own = own if len(own) >= self.config.components else x  # of a class hardly seen, the passes will tell
            if self.config.estimate == "map":
                self._take_prior(c, own)
            likeliest = -math.inf
            for _ in range(self.config.n_init):
                found, worth = self._trial(c, own)
                if worth > likeliest:
                    likeliest = worth
                    self._put(c, found)

    def _take_prior(self, c: int, x: Tensor) -> None:
        self.centre[c] = x.mean(0)
        self.scale[c] = self._spread(x - x.mean(0)) / self.config.components ** (2 / x.shape[1])

    def _spread(self, apart: Tensor) -> Tensor:
        """The covariance of centred rows (n, d), with the floor: (d, d), (d,) or ()."""
        d = apart.shape[1]
        return self.kind.summed(apart[None])[0] / (len(apart) * self.kind.numbers(d)) + self.floor * self.kind.eye(d).to(apart)

    def _trial(self, c: int, x: Tensor) -> tuple[Mixture, float]:
        """A k-means++ start and a few steps. All components begin with one covariance, that of the points about their centres: each
        one's own would make a spike of a centre with few points, and EM would never leave it."""
        k = self.config.components
        centres = kmeans(x.to(self.dtype), k).double()
        nearest, _ = assign(x, centres)
        count = torch.bincount(nearest, minlength=k).double()
        spread = self._spread(x - centres[nearest])[None]
        mixture = Mixture(count / len(x), centres, self._factored(spread).expand(k, *spread.shape[1:]).clone())
        for _ in range(TRIAL if self.config.n_init > 1 else 0):
            mixture = self._better(c, mixture, expected(self.kind, mixture, x, self.dtype))
        sums = expected(self.kind, mixture, x, self.dtype)
        return mixture, float(sums.log_likelihood)

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        found = [expected(self.kind, self.mixture(c), x, self.dtype) for c, x in self.classes_of(batch)]
        return {name: torch.stack([getattr(sums, name) for sums in found]) for name in Sums._fields}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        """The log-likelihood of the parameters before, nats per example (of quantised data by density times bin); with a prior also its
        sum with the log of the prior's density, which is what never falls then."""
        examples = stats["examples"]
        told = {"log_likelihood": float(stats["log_likelihood"].sum() / examples.sum()) + self.volume}
        if self.config.estimate == "map":
            prior = sum(float(self._log_prior(c)) for c in range(len(self.weights)))
            told["log_posterior"] = told["log_likelihood"] + prior / float(examples.sum())
        for c in range(len(self.weights)):
            if examples[c] > 0:
                self._put(c, self._better(c, self.mixture(c), Sums(*(stats[name][c] for name in Sums._fields))))
        self.class_share.copy_(examples / examples.sum())
        return told

    def _log_prior(self, c: int) -> Tensor:
        prior = self.prior(c)
        assert prior is not None
        return prior.log_density(self.kind, self.mixture(c))

    def _put(self, c: int, mixture: Mixture) -> None:
        self.weights[c], self.means[c], self.root[c] = mixture

    def _better(self, c: int, mixture: Mixture, sums: Sums) -> Mixture:
        try:
            return maximised(self.kind, mixture, sums, self.floor, self.prior(c))
        except Singular:
            raise self._collapsed() from None

    def _factored(self, covariance: Tensor) -> Tensor:
        try:
            return self.kind.factor(covariance)
        except Singular:
            raise self._collapsed() from None

    def _collapsed(self) -> UsageError:
        return UsageError(
            f"gmm: a component has collapsed onto examples that do not vary in every direction: raise covariance_floor "
            f"(now {self.config.covariance_floor:g}), ask for fewer components, or set estimate = \"map\""
        )

    # ---- what it is for
    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        """log p(x | label), or log p(x) where no label is given, (n,) float64."""
        x = flat(batch["x"])
        if self.bins:
            x = self.bins.dequantised(x, noise)
        if not self.conditions:
            return self._log_density(0, x) + self.volume
        if (label := batch.get("label")) is None:
            each = [self._log_density(c, x) for c in range(len(self.weights))]
            return (torch.stack(each, 1) + self.class_share.log()).logsumexp(1) + self.volume
        found = torch.empty(len(x), dtype=x.dtype, device=x.device)
        for c in torch.unique(label).tolist():
            found[label == c] = self._log_density(c, x[label == c])
        return found + self.volume

    def _log_density(self, c: int, x: Tensor) -> Tensor:
        return log_joint(self.kind, self.mixture(c), x)[0].logsumexp(0)

    def _log_weights(self, n: int, label: Tensor | None) -> Tensor:
        """Of every component of every class, (n, C·K); −∞ for those of other classes than a row's label."""
        whole = self.all().weights.expand(n, -1)
        if label is None or not self.conditions:
            return whole
        owner = torch.arange(len(self.weights), device=whole.device).repeat_interleave(self.weights.shape[1])
        within = self.weights.log().flatten().expand(n, -1)  # a class that was never seen has no share
        return within.masked_fill(owner != label[:, None], -math.inf)

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        mixture = self.all()
        component = noise.categorical(self._log_weights(n, cond.get("label")))
        return shaped(self._placed(noise.normal(mixture.means.shape[1]).double(), component, mixture), self.data)

    def _placed(self, z: Tensor, component: Tensor, mixture: Mixture) -> Tensor:
        """Standard normals z (n, d) as points of their components (n,)."""
        d = z.shape[1]
        if d <= FEW:  # a matrix for each row costs less than gathering each component's rows
            axes = self.kind.coloured(torch.eye(d).to(z).expand(len(mixture.means), d, d), mixture.root)
            x, *images = torch.cat([mixture.means[:, None], axes], 1).index_select(0, component).unbind(1)
            for i, image in enumerate(images):
                x.addcmul_(z[:, i : i + 1], image)
            return x
        x = torch.empty_like(z)
        for k in component.bincount().nonzero()[:, 0].tolist():
            rows = (component == k).nonzero()[:, 0]
            x[rows] = mixture.means[k] + self.kind.coloured(z[rows][None], mixture.root[k : k + 1])[0]
        return x

    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:
        """From the exact conditional law: a component by how well it explains the known numbers, then the others given these."""
        x, known = flat(batch["x"]), known.reshape(len(known), -1)
        x = torch.where(known, x, torch.zeros_like(x))
        mixture = self.all()
        log_weight = self._log_weights(len(x), batch.get("label"))
        filled = self.kind.impute(x, known, mixture.means, mixture.root, log_weight, noise)
        return torch.where(known.view_as(batch["x"]), batch["x"], shaped(filled, self.data))


def real_numbers(data: DataSpec, who: str) -> None:
    """Raises UsageError unless an example is x, a fixed number of real numbers."""
    if more := sorted(set(data.leaves) - {"x"}):
        raise UsageError(f"{who} takes examples that are x alone, all of one size: this data set's also have {', '.join(more)}")
    if data.leaves["x"].classes:
        raise UsageError(f"{who} takes real numbers: x of this data set holds {data.leaves['x'].classes} classes")
