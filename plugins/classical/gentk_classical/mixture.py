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
from .em import Mixture, Prior, Sums, expected, log_chance, log_joint, maximised, shares
from .gaussians import KINDS, Singular
from .mixed import Kinds
from .quantised import Bins, flat, shaped

SUMS = ("weight", "first", "second", "log_likelihood", "examples")
TRIAL = 10  # steps of EM after which the starts are compared
SMALL = 64  # numbers up to which facts() tells the means
FEW = 8  # numbers of an example, up to which a matrix is gathered for each of its draws


class GMM(nn.Module):
    """p(x) = Σ_k π_k N(x; μ_k, Σ_k), or p(x | label) of that form and p(x) = Σ_c p(c) p(x | c).

    Of a table, the components also have chances of each category's states, independent given the component; numbers are divided by their
    deviations first, and what is missing is summed over (see `em`).

    State, float64: class_share (C,), weights (C, K), means (C, K, d) and root, U of the precision U Uᵀ: (C, K, d, d) full, (C, K, d)
    diag, (C, K) spherical; C is 1 without classes. Of a table d counts the numbers; chance{j} (C, K, states), middle and deviation (d,).
    Fitted by EM, from the best of `n_init` k-means++ starts; each pass changes the
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
    columns = True
    class_share: Tensor
    weights: Tensor
    means: Tensor
    root: Tensor
    centre: Tensor
    scale: Tensor
    middle: Tensor
    deviation: Tensor

    def __init__(self, config: GMMConfig, data: DataSpec) -> None:
        super().__init__()
        self.kinds = Kinds.of(data, "gmm")
        if config.per_class and "label" not in data.conditions:
            raise UsageError("gmm: per_class needs a data set with labels; leave it out for one mixture of all")
        self.config, self.data, self.kind = config, data, KINDS[config.covariance]
        self.passes, self.start_size = config.passes, config.start_size
        self.conditions: Mapping[str, Condition] = {"label": Label.of(data)} if config.per_class else {}
        self.bins = Bins.of(data.leaves["x"])
        self.gaps = any(column.missing for column in data.leaves["x"].columns)
        self.likelihood: Literal["exact", "bound"] = "bound" if self.bins else "exact"
        self.floor = config.covariance_floor + (self.bins.variance if self.bins else 0.0)
        self.volume = self.bins.log_volume(math.prod(data.shape)) if self.bins else 0.0
        self.dtype = torch.float32 if config.compute == "float32" else torch.float64
        classes = data.conditions["label"].classes if config.per_class else 1
        k, d = config.components, len(self.kinds.numbers) if self.kinds else math.prod(data.shape)
        size = self.kind.size(d)
        self._state("class_share", torch.full((classes,), 1 / classes))
        self._state("weights", torch.full((classes, k), 1 / k))
        self._state("means", torch.zeros(classes, k, d))
        self._state("root", self.kind.eye(d).expand(classes, k, *size))
        self.states = [states for _, states in self.kinds.categories] if self.kinds else []
        for j, states in enumerate(self.states):
            self._state(f"chance{j}", torch.full((classes, k, states), 1 / states))
        if self.kinds:
            self._state("middle", torch.zeros(d))
            self._state("deviation", torch.ones(d))
        if config.estimate == "map":
            self._state("centre", torch.zeros(classes, d))
            self._state("scale", self.kind.eye(d).expand(classes, *size))

    def _state(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value.double().clone())

    # ---- the parameters
    def mixture(self, c: int) -> Mixture:
        """That of class c."""
        chances = tuple(self.get_buffer(f"chance{j}")[c] for j in range(len(self.states)))
        return Mixture(self.weights[c], self.means[c], self.root[c], chances)

    def all(self) -> Mixture:
        """Every class's components side by side, C·K of them; the weights are log p(c) + log π."""
        weights = self.class_share.log()[:, None] + self.weights.log()
        chances = tuple(self.get_buffer(f"chance{j}").flatten(0, 1) for j in range(len(self.states)))
        return Mixture(weights.flatten(), self.means.flatten(0, 1), self.root.flatten(0, 1), chances)

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

    def rows(self, x: Tensor) -> Tensor:
        """(n, d) float64; of a table (n, d + categories): its numbers, divided by their deviations, then its states; NaN is missing."""
        if self.kinds is None:
            return flat(x)
        numbers = (self.kinds.vector(x) - self.middle).div_(self.deviation)
        if not self.states:
            return numbers
        return torch.cat([numbers, x[:, [place for place, _ in self.kinds.categories]].double()], 1)

    # ---- fitting
    def classes_of(self, batch: Batch) -> Iterator[tuple[int, Tensor]]:
        """(class, its examples as `rows`)."""
        x = self.rows(batch["x"])
        for c in range(len(self.weights)):
            yield c, x[batch["label"] == c] if self.conditions else x

    def start(self, batch: Batch) -> None:
        if self.kinds:
            self._measure(self.kinds.vector(batch["x"]))
        x = self.rows(batch["x"])
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

    def _measure(self, x: Tensor) -> None:
        """Of a table's numbers (n, d): where they lie and how far they spread, so that no unit counts more than another."""
        there = ~x.isnan()
        count = there.sum(0).clamp(min=1)
        self.middle.copy_(x.nan_to_num().sum(0) / count)
        deviation = ((x - self.middle).nan_to_num().square().sum(0) / count).sqrt()
        self.deviation.copy_(torch.where(deviation > 0, deviation, torch.ones_like(deviation)))

    def _take_prior(self, c: int, x: Tensor) -> None:
        x = x[:, : self.means.shape[2]].nan_to_num()
        self.centre[c] = x.mean(0)
        self.scale[c] = self._spread(x - x.mean(0)) / self.config.components ** (2 / x.shape[1])

    def _spread(self, apart: Tensor) -> Tensor:
        """The covariance of centred rows (n, d), with the floor: (d, d), (d,) or ()."""
        d = apart.shape[1]
        return self.kind.summed(apart[None])[0] / (len(apart) * self.kind.numbers(d)) + self.floor * self.kind.eye(d).to(apart)

    def _trial(self, c: int, x: Tensor) -> tuple[Mixture, float]:
        """A k-means++ start and a few steps. All components begin with one covariance, that of the points about their centres: each
        one's own would make a spike of a centre with few points, and EM would never leave it."""
        k, d = self.config.components, self.means.shape[2]
        places = self._places(x)
        centres = kmeans(places.to(self.dtype), k).double()
        nearest, _ = assign(places, centres)
        count = torch.bincount(nearest, minlength=k).double()
        spread = self._spread(places[:, :d] - centres[nearest, :d])[None]
        member = nn.functional.one_hot(nearest, k).double().mT
        counts = [member @ part + 1 for part in torch.split(places[:, d:], self.states, 1)] if self.states else []
        chances = tuple(shares(count, count) for count in counts)
        root = self._factored(spread).expand(k, *spread.shape[1:]).clone()
        mixture = Mixture(count / len(x), centres[:, :d], root, chances)
        for _ in range(TRIAL if self.config.n_init > 1 else 0):
            mixture = self._better(c, mixture, expected(self.kind, mixture, x, self.dtype))
        sums = expected(self.kind, mixture, x, self.dtype)
        return mixture, float(sums.log_likelihood)

    def _places(self, x: Tensor) -> Tensor:
        """Where rows lie for k-means, (n, d + all states): what is missing in the middle, a state at 1 on an axis of its own."""
        d = self.means.shape[2]
        axes = []
        for j, states in enumerate(self.states):
            state = x[:, d + j]
            axes.append(nn.functional.one_hot(state.nan_to_num().long(), states).double() * ~state.isnan()[:, None])
        return torch.cat([x[:, :d].nan_to_num(), *axes], 1)

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        rows = [x for _, x in self.classes_of(batch)]
        found = [expected(self.kind, self.mixture(c), x, self.dtype) for c, x in enumerate(rows)]
        told = {name: _side_by_side([getattr(sums, name) for sums in found]) for name in SUMS}
        if self.kinds:  # in the table's own units
            told["log_likelihood"] = told["log_likelihood"] - _side_by_side([self._units(x) for x in rows])
        return told | {f"states{j}": torch.stack([sums.states[j] for sums in found]) for j in range(len(self.states))}

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
                states = tuple(stats[f"states{j}"][c] for j in range(len(self.states)))
                sums = Sums(**{name: stats[name][c] for name in SUMS}, states=states)
                self._put(c, self._better(c, self.mixture(c), sums))
        self.class_share.copy_(examples / examples.sum())
        return told

    def _log_prior(self, c: int) -> Tensor:
        prior = self.prior(c)
        assert prior is not None
        return prior.log_density(self.kind, self.mixture(c))

    def _put(self, c: int, mixture: Mixture) -> None:
        self.weights[c], self.means[c], self.root[c] = mixture[:3]
        for j, chance in enumerate(mixture.chances):
            self.get_buffer(f"chance{j}")[c] = chance

    def _better(self, c: int, mixture: Mixture, sums: Sums) -> Mixture:
        try:
            return maximised(self.kind, mixture, sums, self.floor, self.prior(c), self.config.smoothing)
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
        """log p(x | label), or log p(x) where no label is given, (n,) float64; of a table, a density of numbers and a mass of states."""
        x = self.rows(batch["x"])
        if self.bins:
            x = self.bins.dequantised(x, noise)
        return self._log_prob(x, batch) + self.volume - (self._unit(x) if self.kinds else 0.0)

    def _unit(self, x: Tensor) -> Tensor:
        """(n,) what the deviations that a row's numbers were divided by take from its density."""
        return (~x[:, : len(self.deviation)].isnan()).double() @ self.deviation.log()

    def _units(self, x: Tensor) -> Tensor:
        """() the sum of `_unit` over rows."""
        return self._unit(x).sum() if self.gaps else len(x) * self.deviation.log().sum()

    def _log_prob(self, x: Tensor, batch: Batch) -> Tensor:
        if not self.conditions:
            return self._log_density(0, x)
        if (label := batch.get("label")) is None:
            each = [self._log_density(c, x) for c in range(len(self.weights))]
            return (torch.stack(each, 1) + self.class_share.log()).logsumexp(1)
        found = torch.empty(len(x), dtype=x.dtype, device=x.device)
        for c in torch.unique(label).tolist():
            found[label == c] = self._log_density(c, x[label == c])
        return found

    def _log_density(self, c: int, x: Tensor) -> Tensor:
        return log_joint(self.kind, self.mixture(c), x).log.logsumexp(0)

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
        x = self._placed(noise.normal(mixture.means.shape[1]).double(), component, mixture)
        return self._row(x, component, mixture, noise) if self.kinds else shaped(x, self.data)

    def _row(self, numbers: Tensor, component: Tensor, mixture: Mixture, noise: Noise) -> Tensor:
        """Rows of the table (n, V): numbers in their own units, and a state of each category drawn by its component."""
        assert self.kinds is not None
        own = noise.fork("categories")
        states = [own.categorical(chance[component].log()) for chance in mixture.chances]
        drawn = torch.stack(states, 1) if states else component.new_empty(len(component), 0)
        return self.kinds.joined(self.middle + self.deviation * numbers, drawn, self.data)

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
        mixture = self.all()
        log_weight = self._log_weights(len(batch["x"]), batch.get("label"))
        if self.kinds is None:
            x, known = flat(batch["x"]), known.reshape(len(known), -1)
            x = torch.where(known, x, torch.zeros_like(x))
            filled = self.kind.impute(x, known, mixture.means, mixture.root, log_weight, noise).x
            return torch.where(known.view_as(batch["x"]), batch["x"], shaped(filled, self.data))
        d, x = mixture.means.shape[1], self.rows(batch["x"].double().masked_fill(~known, math.nan))
        for j, chance in enumerate(mixture.chances):
            log_weight = log_weight + log_chance(chance, x[:, d + j]).mT
        drawn = self.kind.impute(x[:, :d].nan_to_num(), ~x[:, :d].isnan(), mixture.means, mixture.root, log_weight, noise)
        return torch.where(known, batch["x"], self._row(drawn.x, drawn.component, mixture, noise).to(batch["x"]))


def _side_by_side(values: list[Tensor]) -> Tensor:
    """(C, …), which copies nothing where there is one."""
    return values[0][None] if len(values) == 1 else torch.stack(values)
