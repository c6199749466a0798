"""`vq-vae`: latents from a learned codebook (van den Oord et al. 2017). Its prior is a model of its own, trained on `latents:` of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentk.clustering import kmeans
from gentk.errors import UsageError
from gentk.protocols import Batch, DataSpec, Leaf, Phase

from .config import VQVAEConfig
from .likelihoods import likelihood, wide
from .nets import Down, Up, ends, map_size

SOME = 8192  # encoder outputs that the codebook's start is clustered from
SPREAD = 0.02  # how far from its model a revived code is placed, in deviations of the codebook


class Codebook(nn.Module):
    """K vectors that follow the outputs nearest to them (ibid., appendix A.1).

    count ← γ count + (1 − γ) n,  total ← γ total + (1 − γ) Σ h,  code = total / count.
    What is added up comes from all ranks and micro-batches, so a code moves alike however the batch is cut.
    """

    codes: Tensor
    count: Tensor
    total: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(size, width))
        self.register_buffer("count", torch.ones(size))
        self.register_buffer("total", torch.zeros(size, width))

    def place(self, codes: Tensor) -> None:
        self.codes.copy_(codes)
        self.total.copy_(codes)
        self.count.fill_(1.0)

    def nearest(self, h: Tensor) -> Tensor:
        """(m, D) → the index of the code nearest to each, (m,)."""
        return (self.codes.square().sum(1) - 2 * h @ self.codes.T).argmin(1)

    def sums(self, h: Tensor, index: Tensor) -> dict[str, Tensor]:
        """How many outputs fell to each code, and their sums."""
        n, total = torch.zeros_like(self.count), torch.zeros_like(self.total)
        return {"count": n.index_add_(0, index, torch.ones_like(h[:, 0])), "total": total.index_add_(0, index, h)}

    def follow(self, sums: Batch, decay: float, dead: float, step: int) -> None:
        """One step of the averages. A code used less than `dead` times the mean is put beside a much used one, which halves its share."""
        self.count.lerp_(sums["count"], 1 - decay)
        self.total.lerp_(sums["total"], 1 - decay)
        unused = (self.count < dead * self.count.mean()).nonzero()[:, 0]
        if len(unused):
            used = self.count.topk(min(len(unused), len(self.count) // 2)).indices
            unused = unused[: len(used)]
            generator = torch.Generator().manual_seed(step)  # alike on every rank
            shift = SPREAD * torch.randn(len(unused), self.codes.shape[1], generator=generator).to(self.codes)
            self.count[used] /= 2
            self.total[used] /= 2
            self.count[unused] = self.count[used]
            self.total[unused] = self.total[used] + self.count[used, None] * shift * self.codes.std(0)
        self.codes.copy_(self.total / self.count[:, None].clamp(min=1e-9))


def perplexity(count: Tensor) -> Tensor:
    """exp of the entropy of how the codes are used: as many as are used alike."""
    share = count / count.sum()
    return torch.exp(-(share * share.clamp(min=1e-12).log()).sum())


class VQVAE(nn.Module):
    """A map of codes between two convolutional nets; gradients pass the choice straight through."""

    Config = VQVAEConfig
    ema = ("encoder", "decoder", "law")
    autocast = ("encoder", "decoder")

    def __init__(self, config: VQVAEConfig, data: DataSpec) -> None:
        super().__init__()
        if config.net != "conv":
            raise UsageError("a VQ-VAE has a map of codes, so it is convolutional: net=conv")
        self.config, self.data = config, data
        self.conditions: Mapping[str, Any] = {}
        self.start_size = config.start_size
        leaf, width = data.leaves["x"], config.widths[-1]
        self.map = map_size(leaf, config)
        self.latent = Leaf(shape=self.map, classes=config.codes)
        self.law = likelihood(config.likelihood, leaf, config.sigma)
        self.encoder = nn.Sequential(Down(leaf.shape[0], config), nn.Conv2d(width, config.latent, 1))
        self.decoder = nn.Sequential(nn.Conv2d(config.latent, width, 1), Up(leaf.shape[0], self.law.parameters_each, config))
        self.codebook = Codebook(config.codes, config.latent)

    @property
    def outer(self) -> tuple[str, ...]:
        return (*ends(self.encoder, "encoder"), *ends(self.decoder, "decoder"))

    def outputs(self, x: Tensor) -> Tensor:
        """What the encoder says at each place, (n · h · w, D)."""
        h: Tensor = self.encoder(x)
        return wide(h.permute(0, 2, 3, 1).flatten(0, 2))

    def vectors(self, flat: Tensor) -> Tensor:
        """(n · h · w, D) → (n, D, h, w)."""
        return flat.reshape(-1, *self.map, flat.shape[1]).permute(0, 3, 1, 2)

    def start(self, batch: Batch) -> None:
        """The codebook begins at clusters of what the encoder says of data."""
        flat = torch.cat([self.outputs(part) for part in torch.split(batch["x"], 256)])
        some = flat[torch.randperm(len(flat), device=flat.device)[:SOME]]
        if len(some) < self.config.codes:
            raise UsageError(f"{len(some)} places of the examples cannot start {self.config.codes} codes: lower model.config.codes")
        self.codebook.place(kmeans(some, self.config.codes))

    def encode(self, batch: Batch) -> Tensor:
        """The codes, (n, h, w) int64."""
        return self.codebook.nearest(self.outputs(batch["x"])).reshape(-1, *self.map)

    def decode(self, z: Tensor, cond: Batch) -> Tensor:
        """The mean of p(x | codes)."""
        mean: Tensor = self.law.mean(self.decoder(self.vectors(self.codebook.codes[z.flatten()])))
        return mean

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        h = self.outputs(batch["x"])
        with torch.no_grad():
            index = self.codebook.nearest(h)
            sums = self.codebook.sums(h, index)
        chosen = self.codebook.codes[index]
        places = self.map[0] * self.map[1]
        commitment = (h - chosen).square().sum(1).mean() * places
        parameters = self.decoder(self.vectors(h + (chosen - h).detach()))
        reconstruction = -self.law.log_prob(parameters, batch["x"]).mean()
        return {
            "loss": reconstruction + self.config.commitment * commitment,
            "reconstruction": reconstruction,
            "commitment": commitment,
            "perplexity": perplexity(sums["count"]),
            "mse": (self.law.mean(parameters) - batch["x"]).square().mean(),
            "sums": sums,
        }

    def after(self, phase: str, step: int, sums: Batch) -> None:
        self.codebook.follow(sums, self.config.decay, self.config.dead, step)

    def facts(self) -> dict[str, Any]:
        used = self.codebook.count
        return {"codes": self.config.codes, "perplexity": float(perplexity(used))}
