"""Denoising diffusion, whatever the network: the objective of Ho et al. 2020 on any Gaussian path, and the Denoiser it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel
from torch import Tensor, nn

import gentk
from gentk.conditions import Label, drop
from gentk.errors import UsageError
from gentk.gaussian.predictions import EDM, PARAMETERISATIONS, Parameterisation, noised
from gentk.gaussian.schedules import at, clock, derivatives, rows, when
from gentk.protocols import Batch, DataSpec, Phase, Prediction

from .config import DenoisingConfig
from .times import training_times


class Denoising(nn.Module):
    """Base of this plugin's models: a subclass makes `net(x_t, clock, label)`.

    loss = E ‖net(x_t, t) − target‖².
    """

    Config: ClassVar[type[BaseModel]]
    ema = ("net",)
    autocast = ("net",)
    net: nn.Module

    def __init__(self, config: DenoisingConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data = config, data
        self.schedule = gentk.schedule(config.schedule, **config.schedule_options)
        self.parameterisation: Parameterisation = (
            EDM(config.sigma_data) if config.prediction == "edm" else PARAMETERISATIONS[config.prediction]()
        )
        self.times = self._times()
        labelled = "label" in data.conditions
        self.conditions = {"label": Label.of(data, dropout=config.label_dropout > 0)} if labelled else {}

    def _times(self) -> tuple[float, float]:
        """Where the network is defined: not at pure noise where its output says nothing about x."""
        top = 1.0
        if at(self.schedule, 1.0)[0] == 0 and self.config.prediction in ("eps", "score", "edm"):
            if getattr(self.schedule, "steps", 0):  # a table's last timestep cannot be left out
                raise UsageError(f"prediction '{self.config.prediction}' says nothing of x at this table's end, pure noise: take v or x")
            top = 0.999
        if self.config.prediction == "velocity" and not all(v.isfinite() for v in derivatives(self.schedule, clock(1.0))):
            top = 0.999  # the path arrives infinitely fast
        low = 0.0
        if self.config.prediction == "edm":
            low = when(self.schedule, self.config.sigma_min)
        return low, top

    @property
    def classes(self) -> int:
        """Size of the class embedding, the "none" included; 0 without labels."""
        label = self.conditions.get("label")
        return label.classes + label.dropout if label else 0

    def ask(self, x_t: Tensor, t: Tensor, label: Tensor | None, *told: Tensor) -> Tensor:
        """The network's raw output for times t, () or (n,). `told`: what was done to x, of a network that is told."""
        clock = rows(self.parameterisation.clock(self.schedule, t), x_t)
        out: Tensor = self.net(self.parameterisation.given(x_t, self.schedule, t), clock, label, *told)
        return out

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction:
        return self.parameterisation.read(self.ask(x_t, t, cond.get("label")), x_t, self.schedule, t)

    def augmented(self, x: Tensor) -> tuple[Tensor, ...]:
        """The examples to train on, and what is told of them."""
        return (x,)

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        x, *told = self.augmented(batch["x"])
        t = training_times(self.config, self.schedule, self.times, len(x))
        x_t, eps = noised(x, self.schedule, t)
        label = self.conditions.get("label")
        shown = drop(label, batch["label"], self.config.label_dropout) if label else None
        out = self.ask(x_t, t, shown, *told)
        return {"loss": (out.float() - self.parameterisation.target(x, eps, self.schedule, t)).square().mean()}
