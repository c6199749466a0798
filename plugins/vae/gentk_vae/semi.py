"""`m2`: a VAE whose label is a second latent, seen in some examples (Kingma et al. 2014, §2).

An example of class y costs −L(x, y) = −E_q[log p(x | y, z)] + KL(q(z | x, y) ‖ p(z)) − log p(y); one without its class costs the mean of
these under q(y | x), less the entropy of q(y | x). The labelled ones also train q(y | x) itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.protocols import Batch, DataSpec

from .config import M2Config
from .likelihoods import wide
from .nets import Encoder
from .vae import VAE, kl


class M2(VAE):
    """Class number `classes` in a batch says that the class is not known: what `labelled` of a data set leaves out."""

    Config = M2Config
    config: M2Config
    ema = ("encoder", "decoder", "law", "classifier")
    blends = ("label",)
    hidden_labels = True

    def __init__(self, config: M2Config, data: DataSpec) -> None:
        if "label" not in data.conditions:
            raise UsageError("M2 wants a data set with labels, of which some may be hidden: --set dataset.options.labelled=100")
        super().__init__(config, data, label=Label.of(data))
        assert self.label is not None
        self.classifier = Encoder(data.leaves["x"], self.label.classes, config)
        shares = self.label.frequencies or (1 / self.label.classes,) * self.label.classes
        self._log_prior = [math.log(max(share, 1e-12)) for share in shares]

    def log_label(self, batch: Batch) -> Tensor:
        """log q(label | x), (n, classes)."""
        return wide(self.classifier(batch["x"])).log_softmax(1)

    def costs(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """−L(x, y) for every class y, (n, classes), and what is logged of the class that q(y | x) finds likeliest."""
        assert self.label is not None
        n, k = len(x), self.label.classes
        batch = {"x": x.repeat_interleave(k, 0), "label": torch.arange(k, device=x.device).repeat(n)}
        mean, log_var = self.posterior(batch)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        reconstruction = -self.law.log_prob(self.parameters_of(z, self.given(batch)), batch["x"])
        divergence = kl(mean, log_var).sum(1)
        prior = torch.tensor(self._log_prior, device=x.device)
        costs = (reconstruction + self.config.beta * divergence).view(n, k) - prior
        return costs, {"reconstruction": reconstruction.view(n, k), "kl": divergence.view(n, k)}

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        assert self.label is not None
        x, label = batch["x"], batch["label"]
        known = label < self.label.classes
        log_q = self.log_label(batch)
        costs, parts = self.costs(x)
        one = F.one_hot(label.clamp(max=self.label.classes - 1), self.label.classes).float()
        weight = torch.where(known[:, None], one, log_q.exp())
        entropy = torch.where(known, 0.0, -(log_q.exp() * log_q).sum(1))
        nelbo = (weight * costs).sum(1) - entropy
        supervised = -(one * log_q).sum(1)[known].sum() / max(len(x), 1)
        right = (log_q.argmax(1) == label)[known].float().mean() if known.any() else torch.zeros(())
        logged = {name: (weight * value).sum(1).mean() for name, value in parts.items()}
        return {"loss": nelbo.mean() + self.config.classifier * supervised, "nelbo": nelbo.mean(), "right": right, **logged}
