"""`featurizer`: which class an image shows. Distances between images are measured in its last hidden layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.inference.sampling import evaluating
from gentk.protocols import Batch, DataSpec, Phase

from .config import FeaturizerConfig

POOLED = 4  # side of the map that the last hidden layer sees
ROWS = 64  # images at a time: bounds the memory of float64 convolutions
MOMENTUM = 0.1  # of the running statistics


class Norm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) whose running statistics are averaged as the weights are.

    The statistics are frozen parameters: the trainer averages parameters over a window, but copies buffers, and averaged weights with the
    last weights' statistics would not fit together. `seen` holds the last training batch's, until the model's `after` takes them.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.mean = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.variance = nn.Parameter(torch.ones(width), requires_grad=False)
        self.seen: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias)
        self.seen = torch.zeros_like(self.mean), torch.ones_like(self.variance)
        return F.batch_norm(x, *self.seen, self.weight, self.bias, training=True, momentum=1.0)  # momentum 1: writes this batch's


class Net(nn.Module):
    """x (n, inputs, H, W) → logits (n, classes). `hidden` gives the last hidden layer, (n, features), not negative."""

    def __init__(self, shape: tuple[int, ...], classes: int, config: FeaturizerConfig) -> None:
        super().__init__()
        inputs, side = shape[0], list(shape[1:])
        layers: list[nn.Module] = []
        for level, width in enumerate(config.channels):
            first = nn.Conv2d(inputs, width, 3 if level else 5, stride=2, padding=1 if level else 2, bias=False)
            second = nn.Conv2d(width, width, 3, padding=1, bias=False)
            layers += [first, Norm(width), nn.ReLU(), second, Norm(width), nn.ReLU()]
            inputs, side = width, [(length + 1) // 2 for length in side]
        pooled = [min(length, POOLED) for length in side]
        self.body = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(tuple(pooled)), nn.Flatten(), nn.Dropout(config.dropout))
        self.penultimate = nn.Linear(inputs * pooled[0] * pooled[1], config.features)
        self.last = nn.Linear(config.features, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)  # a third faster on the CPU
        hidden = F.relu(self.penultimate(self.body(x)))
        return hidden, self.last(hidden)


class Featurizer(nn.Module):
    """log p(label | image), trained by cross entropy on shifted images."""

    Config = FeaturizerConfig
    ema = ("net",)

    def __init__(self, config: FeaturizerConfig, data: DataSpec) -> None:
        super().__init__()
        if "label" not in data.conditions:
            raise UsageError("a featurizer learns from classes: choose a data set with labels")
        if "x" not in data.leaves or len(data.shape) != 3 or data.leaves["x"].classes:
            raise UsageError("the featurizer wants images: a leaf x of numbers of the shape (C, H, W)")
        self.config, self.data = config, data
        self.label = Label.of(data)
        self.conditions = {"label": self.label}
        self.net = Net(data.shape, self.label.classes, config)

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        x, label = batch["x"], batch["label"]
        if self.training:
            x = augmented(x, self.config.shift, self.config.mirror)
        logits = self.net(x)[1].float()
        right = (logits.argmax(1) == label).float().mean()
        return {"loss": F.cross_entropy(logits, label), "right": right, "sums": self._seen(len(x))}

    def _norms(self) -> list[Norm]:
        return [module for module in self.net.modules() if isinstance(module, Norm)]

    def _seen(self, n: int) -> dict[str, Tensor]:
        """The statistics of the batch, so that micro-batches and ranks add up: times n, and n."""
        seen: dict[str, Tensor] = {}
        for i, norm in enumerate(self._norms()):
            if norm.seen is not None:
                mean, variance = norm.seen
                seen |= {f"{i}.mean": n * mean, f"{i}.variance": n * variance, "rows": mean.new_tensor(n)}
                norm.seen = None
        return seen

    def after(self, phase: str, step: int, sums: Batch) -> None:
        for i, norm in enumerate(self._norms()):
            norm.mean.lerp_(sums[f"{i}.mean"] / sums["rows"], MOMENTUM)
            norm.variance.lerp_(sums[f"{i}.variance"] / sums["rows"], MOMENTUM)

    def log_label(self, batch: Batch) -> Tensor:
        logits: Tensor = self.net(batch["x"])[1]
        return logits.log_softmax(-1)

    @torch.no_grad()
    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        """{"features": (n, d), "logits": (n, K)} of batch["x"] (n, C, H, W), float64 on the host. Raises UsageError for another shape.

        Computes in float64: a row then does not depend on the batch that it is in, nor on the machine, beyond 1e-12.
        """
        x = batch["x"]
        if tuple(x.shape[1:]) != self.data.shape:
            raise UsageError(f"the featurizer is for images of the shape {_said(self.data.shape)}, and these are {_said(x.shape[1:])}")
        device = next(self.net.parameters()).device
        device = torch.device("cpu") if device.type == "mps" else device  # which has no float64
        exact = {name: value.to(device, torch.float64) for name, value in self.net.state_dict().items()}
        with evaluating(self):
            found = [functional_call(self.net, exact, (part.to(device, torch.float64),)) for part in torch.split(x, ROWS)]
        hidden, logits = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
        return {"features": hidden, "logits": logits}


def augmented(x: Tensor, shift: int, mirror: bool) -> Tensor:
    """Images (n, C, H, W), each moved by whole pixels, up to `shift` each way, and half of them mirrored. Edges are repeated."""
    n, _, height, width = x.shape
    down, right = (torch.randint(-shift, shift + 1, (n, 1)) for _ in range(2))
    rows, columns = (torch.arange(height) + down).clamp(0, height - 1), (torch.arange(width) + right).clamp(0, width - 1)
    if mirror:
        columns = torch.where(torch.rand(n, 1) < 0.5, columns.flip(1), columns)
    place = (rows[:, None, :, None] * width + columns[:, None, None, :]).to(x.device)
    return x.flatten(2).gather(2, place.flatten(2).expand(-1, x.shape[1], -1)).view_as(x)


def _said(shape: Any) -> str:
    return " × ".join(map(str, shape)) or "()"
