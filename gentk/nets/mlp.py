"""Fully connected networks for vectors with a time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .embeddings import TimeEmbedding


class ResidualMLP(nn.Module):
    """x (n, inputs), t (n,), label (n,) or None → (n, inputs).

    Residual blocks whose normalised input is scaled and shifted by the time and the class (FiLM, Perez et al. 2018). The last layer of
    every branch and of the net starts at zero, so the untrained net is the identity branch alone.
    """

    def __init__(self, inputs: int, width: int = 128, blocks: int = 3, classes: int = 0) -> None:
        super().__init__()
        self.time_embedding = TimeEmbedding(width, width)
        self.class_embedding = nn.Embedding(classes, width) if classes else None
        self.first = nn.Linear(inputs, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(blocks))
        self.films = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(blocks))
        self.inner = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(blocks))
        self.outer = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(blocks))
        self.last = nn.Linear(width, inputs)
        for layer in (*self.outer, *self.films, self.last):
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        silu = nn.functional.silu
        mood = self.time_embedding(t)
        if self.class_embedding is not None and label is not None:
            mood = mood + self.class_embedding(label)
        mood = silu(mood)
        hidden = self.first(x)
        for norm, film, inner, outer in zip(self.norms, self.films, self.inner, self.outer, strict=True):
            scale, shift = film(mood).chunk(2, dim=-1)
            hidden = hidden + outer(silu(inner(torch.addcmul(shift, norm(hidden), 1 + scale))))
        return self.last(silu(hidden))  # type: ignore[no-any-return]
