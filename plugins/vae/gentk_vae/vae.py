"""`vae`, `beta-vae`, `cvae`: a Gaussian posterior, a Gaussian prior, and a bound on log p(x).

ELBO(x) = E_q[log p(x | z)] − KL(q(z | x) ‖ N(0, I))   (Kingma & Welling 2014, eq. 3)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.protocols import Batch, DataSpec, Noise
from gentk.stages import stages

from .autoencoder import Autoencoder
from .config import BetaVAEConfig, VAEConfig
from .likelihoods import wide

AT_ONCE = 4096  # rows that one call of the decoder gets when z is drawn many times


def kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) of each latent, (n, d) nats."""
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var)


def log_normal(z: Tensor, mean: Tensor | float = 0.0, log_var: Tensor | float = 0.0) -> Tensor:
    """log N(z; μ, σ²) summed over the last dimension."""
    log_var = torch.as_tensor(log_var, dtype=z.dtype, device=z.device)
    return -0.5 * ((z - mean).square() * (-log_var).exp() + log_var + math.log(2 * math.pi)).sum(-1)


def again(x: Any, k: int) -> Any:
    """(n, …) → (k · n, …), all rows k times over; None stays None."""
    return x if x is None or k == 1 else x.repeat(k, *[1] * (x.ndim - 1))


class VAE(Autoencoder):
    """Variational autoencoder. Free bits: Kingma et al. 2016, §3.3; `importance`: IWAE, Burda et al. 2016; β: Higgins et al. 2017."""

    Config: type[VAEConfig] = VAEConfig
    config: VAEConfig
    likelihood = "bound"

    def __init__(self, config: VAEConfig, data: DataSpec, *, label: Label | None = None) -> None:
        super().__init__(config, data, outputs=2, label=label)

    def posterior(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), (n, latent) each."""
        mean, log_var = wide(self.encoder(batch["x"], self.given(batch))).chunk(2, 1)
        return mean, log_var.clamp(-14, 14)

    def prior(self, n: int, noise: Noise) -> Tensor:
        return noise.normal(self.config.latent)

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        """x ~ p(x | z), z ~ p(z): with the noise of the likelihood, which `decode` leaves out."""
        parameters = self.parameters_of(self.prior(n, noise), self.given(cond))
        x: Tensor = self.law.draw(parameters, noise)
        return x

    def warm(self, step: int) -> float:
        """The share of the KL that counts in round `step`."""
        return min(1.0, (step + 1) / self.config.warmup) if self.config.warmup else 1.0

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        mean, log_var = self.posterior(batch)
        k = self.config.importance
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean.expand(k, -1, -1))
        given = self.given(batch)
        parameters = self.parameters_of(z.flatten(0, 1), again(given, k))
        log_likelihood = self.law.log_prob(parameters, again(batch["x"], k)).view(k, -1)
        each = kl(mean, log_var)
        reconstruction, divergence = -log_likelihood.mean(), each.sum(1).mean()
        if k > 1:
            loss = -importance_bound(log_likelihood, z, mean, log_var).mean()
        else:
            counted = each.mean(0).clamp(min=self.config.free_bits).sum()
            loss = reconstruction + self.config.beta * self.warm(step) * counted
        nelbo = reconstruction + divergence
        logged = {"nelbo": nelbo, "reconstruction": reconstruction, "kl": divergence, "kl_share": divergence / nelbo}
        return {"loss": loss, **logged, **self.errors(parameters[: len(batch["x"])], batch["x"])}

    def rate_distortion(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """KL(q(z | x) ‖ p(z)) in closed form, and −log p(x | z) of one draw z ~ q(z | x): (n,) nats each, whatever β is.

        Their sum is −ELBO on average over draws; only the distortion is random. With a label, all of it is given the label.
        """
        mean, log_var = self.posterior(batch)
        z = mean + (0.5 * log_var).exp() * noise.normal(mean.shape[1])
        parameters = self.parameters_of(z, self.given(batch))
        return kl(mean, log_var).sum(1), -self.law.log_prob(parameters, batch["x"])

    def log_prob(self, batch: Batch, noise: Noise, *, samples: Annotated[int, Field(ge=1)] = 64) -> Tensor:
        """The importance-weighted bound with `samples` draws of z per example (Burda et al. 2016, eq. 8); 1 is the ELBO, and with more
        it only gets closer to log p(x)."""
        mean, log_var = self.posterior(batch)
        n, found = len(mean), []
        given, x = self.given(batch), batch["x"]
        at_once = max(1, AT_ONCE // n)
        for first in stages(range(0, samples, at_once), -(-samples // at_once)):
            k = min(at_once, samples - first)
            z = torch.stack([mean + (0.5 * log_var).exp() * noise.normal(mean.shape[1]) for _ in range(k)])
            parameters = self.parameters_of(z.flatten(0, 1), again(given, k))
            log_likelihood = self.law.log_prob(parameters, again(x, k)).view(k, n)
            found.append(log_likelihood + log_normal(z) - log_normal(z, mean, log_var))
        weights = torch.cat(found).double()
        return weights.logsumexp(0) - math.log(samples)


def importance_bound(log_likelihood: Tensor, z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log 1/k Σ p(x, z_i) / q(z_i | x) from log p(x | z) (k, n) and z (k, n, d) → (n,)."""
    weights = log_likelihood + log_normal(z) - log_normal(z, mean, log_var)
    return weights.logsumexp(0) - math.log(len(z))


class BetaVAE(VAE):
    """The VAE with the KL weighted (Higgins et al. 2017): β > 1 for latents that tell fewer things, each apart."""

    Config = BetaVAEConfig


class CVAE(VAE):
    """The VAE of p(x | label): both nets see the class (Sohn et al. 2015). z is left with what the class does not say."""

    blends = ("label",)

    def __init__(self, config: VAEConfig, data: DataSpec) -> None:
        if "label" not in data.conditions:
            raise UsageError("a conditional VAE wants a data set with labels: --model vae needs none")
        super().__init__(config, data, label=Label.of(data))
