"""`hmm`: a Markov chain that is not seen, and what each of its states says (Baum et al. 1970; Rabiner 1989)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.errors import UsageError
from gentk.protocols import Batch, DataSpec, Leaf, Noise

from .chains import Smoothed, best_paths, drawn_paths, filtered, free_paths, smoothed
from .config import HMMConfig
from .emissions import Categorical, Gaussian, shares
from .recurrence import steady_states
from .tokens import ended, lengths, stop_token

AT_ONCE = 1 << 22  # numbers in a table (examples, steps, states): more examples are taken in parts
TRIAL = 20  # passes after which several beginnings are compared


class HMM(nn.Module):
    """p(x) = Σ_z π(z_1) ∏ A(z_t−1, z_t) ∏ p(x_t | z_t), x a series (T, D) or tokens (T,), given how long it is (leaf `length`).

    Fitted by Baum and Welch's EM: with γ_t(k) = p(z_t = k | x) and ξ_t(i, j) = p(z_t = i, z_t+1 = j | x), π ∝ Σ γ_1, A ∝ Σ_t ξ_t, and
    each state's emission is fitted to the x_t weighted by γ_t. float64 buffers: initial (K,), transition (K, K), those of `emission`, and
    where the data have a length, `lengths` (T + 1,): how often each occurs.
    """

    Config = HMMConfig
    config: HMMConfig
    likelihood: Literal["exact"] = "exact"
    conditions: Mapping[str, Any] = {}
    initial: Tensor
    transition: Tensor
    lengths: Tensor

    def __init__(self, config: HMMConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data, self.passes = config, data, config.passes
        leaf, k = data.leaves["x"], config.states
        discrete = config.emission == "categorical" or (config.emission == "auto" and leaf.classes > 0)
        if discrete != (leaf.classes > 0) or len(leaf.shape) != (1 if discrete else 2):
            wanted = "rows of tokens (T,)" if discrete else "series of numbers (T, D)"
            raise UsageError(f"an hmm with {'categorical' if discrete else 'gaussian'} emissions wants {wanted}; x is {leaf.shape}")
        self.steps, self.ragged = leaf.shape[0], "length" in data.leaves
        self.stop = stop_token(config.stop, data) if discrete else None
        if config.stop is not None and not discrete:
            raise UsageError("stop is a token, and these data are numbers: leave it out")
        self.register_buffer("initial", torch.full((k,), 1 / k, dtype=torch.float64))
        self.register_buffer("transition", torch.full((k, k), 1 / k, dtype=torch.float64))
        if self.ragged:
            self.register_buffer("lengths", torch.ones(self.steps + 1, dtype=torch.float64))
        self.emission: Gaussian | Categorical
        if discrete:
            self.emission = Categorical(k, leaf.classes, config.smoothing)
        else:
            self.emission = Gaussian(k, leaf.shape[1], config.covariance, config.floor)
        self.latent = Leaf(shape=(self.steps,), classes=k)

    # ---- the fit
    def start(self, batch: Batch) -> None:
        """Numbers: states are k-means' clusters. Tokens: at random near the tokens' own frequencies. See `config.starts`."""
        best, kept = -float("inf"), {}
        for _ in range(self.config.starts):
            self._begin(batch)
            if self.config.starts == 1:
                return
            for _ in range(TRIAL):
                found = self.update(self.statistics(batch))["log_likelihood"]
            if found > best:
                best, kept = found, {key: value.clone() for key, value in self.state_dict().items()}
        self.load_state_dict(kept)

    def _begin(self, batch: Batch) -> None:
        length, k = lengths(batch, self.steps), self.config.states
        counts = self._counts(length)
        if isinstance(self.emission, Categorical):
            self.emission.start(batch["x"][counts])
            law = -torch.rand(k + 1, k, dtype=torch.float64, device=length.device).clamp(min=1e-12).log()  # normalised: Dirichlet(1)
            self.initial.copy_(law[0] / law[0].sum())
            self.transition.copy_(law[1:] / law[1:].sum(1, keepdim=True))
            return
        nearest = torch.zeros_like(counts, dtype=torch.int64)
        nearest[counts] = self.emission.start(batch["x"].double()[counts])
        both = counts[:, 1:]
        pair = nearest[:, :-1][both] * k + nearest[:, 1:][both]
        self.transition.copy_(shares(torch.bincount(pair, minlength=k * k).view(k, k) + 1.0, self.transition))
        self.initial.copy_(shares(torch.bincount(nearest[length > 0, 0], minlength=k) + 1.0, self.initial))

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Expected counts, as sums over the examples, and the log-likelihood of the parameters as they are."""
        total: dict[str, Tensor] = {}
        size = max(1, AT_ONCE // (self.steps * self.config.states))
        for low in range(0, len(batch["x"]), size):
            part = self._statistics({key: value[low : low + size] for key, value in batch.items()})
            total = {key: total[key] + value if key in total else value for key, value in part.items()}
        return total

    def _statistics(self, batch: Batch) -> dict[str, Tensor]:
        length = lengths(batch, self.steps)
        counts = self._counts(length)
        found = self._smoothed(batch, length)
        whole = bool(counts.all())
        x, posterior = (batch["x"].flatten(0, 1), found.posterior.flatten(0, 1)) if whole else (batch["x"][counts], found.posterior[counts])
        stats = {
            "initial": found.posterior[length > 0, 0].sum(0),
            "transition": found.pairs,
            "log_likelihood": found.log_likelihood.sum(),
            "count": torch.tensor(float(len(length)), dtype=torch.float64, device=length.device),
            **self.emission.statistics(x if x.dtype == torch.int64 else x.double(), posterior),
        }
        if self.ragged:
            stats["lengths"] = torch.bincount(length, minlength=self.steps + 1).double()
        return stats

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        more = self.config.smoothing
        self.initial.copy_(shares(stats["initial"] + more, self.initial))
        self.transition.copy_(shares(stats["transition"] + more, self.transition))
        self.emission.update(stats)
        if self.ragged:
            self.lengths.copy_(stats["lengths"])
        return {"log_likelihood": float(stats["log_likelihood"] / stats["count"])}

    # ---- what it says of examples
    def log_prob(self, batch: Batch, noise: Noise | None = None) -> Tensor:
        """log p(x | its length), (n,)."""
        return self._smoothed(batch, lengths(batch, self.steps)).log_likelihood

    def posteriors(self, batch: Batch) -> Tensor:
        """p(z_t | x), (n, T, K). Steps beyond the length have none of their own: there the chain is on its own."""
        return self._smoothed(batch, lengths(batch, self.steps)).posterior

    def viterbi(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The likeliest states, (n, T) int64, and log p(x, states), (n,). Beyond the length stands the last state."""
        length = lengths(batch, self.steps)
        return best_paths(self.initial, self.transition, self._emission(batch, length), length)

    def encode(self, batch: Batch) -> Tensor:
        """The likeliest states, (n, T) int64."""
        return self.viterbi(batch)[0]

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        """What states (n, T) say on average: means (n, T, D), or the likeliest tokens (n, T)."""
        return self.emission.decode(z)

    def _counts(self, length: Tensor) -> Tensor:
        return torch.arange(self.steps, device=length.device) < length[:, None]

    def _emission(self, batch: Batch, length: Tensor) -> Tensor:
        """log p(x_t | z_t), (n, T, K), 0 beyond the length."""
        x, counts = batch["x"], self._counts(length)
        found = self.emission.log_prob(x if x.dtype == torch.int64 else x.double())
        return found if bool(counts.all()) else torch.where(counts[..., None], found, 0.0)

    def _smoothed(self, batch: Batch, length: Tensor) -> Smoothed:
        return smoothed(self.initial, self.transition, self._emission(batch, length), length, self.config.arithmetic)

    # ---- drawing
    def draw(self, n: int, noise: Noise, cond: Batch) -> dict[str, Tensor]:
        """Examples, padded with 0 where they end: at the stop token, else as long as those seen, else as long as there is room."""
        state = free_paths(self.initial, self.transition, noise.uniform(self.steps).to(self.initial.device))
        x = self._said(state, noise)
        if not self.ragged:
            return {"x": x}
        length = ended(x, self.stop) if self.stop is not None else noise.fork("length").categorical(self.lengths.log().expand(n, -1))
        counts = self._counts(length)
        return {"x": x * (counts if x.ndim == 2 else counts[..., None]), "length": length}

    def _said(self, state: Tensor, noise: Noise) -> Tensor:
        if isinstance(self.emission, Categorical):
            return self.emission.draw(state, noise.uniform(self.steps))
        return self.emission.draw(state, noise.normal(*self.data.shape))

    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:
        """x with what is not `known` (x's shape, bool) drawn from p(· | what is known): forward over the known, states backward, then x
        given its state. Beyond the length nothing changes."""
        x, length = batch["x"], lengths(batch, self.steps)
        counts = self._counts(length)
        flat = known.flatten(0, 1)
        values = x.flatten(0, 1) if x.dtype == torch.int64 else x.flatten(0, 1).double()
        emission = self.emission.log_prob_of(values, flat & (counts.flatten() if flat.ndim == 1 else counts.reshape(-1, 1)))
        law = filtered(self.initial, self.transition, emission.view(*counts.shape, -1), self.config.arithmetic)
        state = drawn_paths(law, self.transition, noise.uniform(self.steps).to(law.device)).flatten()
        extra = noise.uniform(self.steps) if isinstance(self.emission, Categorical) else noise.normal(*self.data.shape)
        filled = self.emission.fill(values, flat, state, extra.flatten(0, 1)).view(x.shape).to(x.dtype)
        return torch.where(counts if x.ndim == 2 else counts[..., None], filled, x)

    def facts(self) -> dict[str, Any]:
        """The chain, how long it stays in each state, its steady states, and what each state says."""
        stays = (1 / (1 - self.transition.diagonal())).tolist()
        steps = self.transition.where(self.transition > 1e-12, 0.0)  # without what EM has driven towards zero
        told: dict[str, Any] = {
            "states": self.config.states,
            "initial": self.initial.tolist(),
            "transition": self.transition.tolist(),
            "mean_stay": [stay if stay < 1e12 else None for stay in stays],  # none: for ever
            "steady_states": steady_states(shares(steps, self.transition)).tolist(),
        }
        if isinstance(self.emission, Gaussian):
            deviation = self.emission.matrices().diagonal(dim1=1, dim2=2).sqrt()
            return {**told, "mean": self.emission.mean.tolist(), "standard_deviation": deviation.tolist()}
        names = self.data.leaves["x"].names or tuple(map(str, range(self.data.leaves["x"].classes)))
        chance, token = self.emission.probability.topk(min(8, len(names)))
        rows = zip(chance.tolist(), token.tolist(), strict=True)
        return {**told, "tokens": [{names[t]: round(p, 4) for p, t in zip(*row, strict=True) if p > 1e-4} for row in rows]}
