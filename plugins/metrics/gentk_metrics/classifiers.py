"""The featurizers whose weights come with the plugin."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

import gentk
from gentk.errors import UsageError
from gentk.protocols import Batch, DataSpec, Leaf

WEIGHTS = Path(__file__).parent / "weights"


def digits(data: DataSpec) -> Trained:
    """The classifier of MNIST, for images (1, 28, 28). Raises UsageError for other data."""
    return Trained(WEIGHTS / "digits", data)


def fashion(data: DataSpec) -> Trained:
    """The classifier of Fashion-MNIST, for images (1, 28, 28). Raises UsageError for other data."""
    return Trained(WEIGHTS / "fashion", data)


class Trained:
    """A trained `Featurizer` model, for data of its shape in any range of values.

    `id`: the folder's name and the first 8 hexadecimal digits of the SHA-256 of its weights.
    """

    def __init__(self, folder: Path, data: DataSpec) -> None:
        name = folder.name
        self.model = gentk.load(folder)
        theirs, mine = data.leaves.get("x"), self.model.data.leaves["x"]
        if theirs is None or theirs.shape != mine.shape:
            shape = " × ".join(map(str, theirs.shape)) if theirs else ""
            given = f"x is {shape or 'one number'}" if theirs else "there is no leaf x"
            wanted = " × ".join(map(str, mine.shape))
            raise UsageError(f"the featurizer '{name}' takes images of {wanted}, and in these examples {given}: choose another featurizer")
        self.low, self.high = ends(theirs, name)
        self.to_low, self.to_high = ends(mine, name)
        self.id = f"{name}-{hashlib.sha256((folder / 'model.safetensors').read_bytes()).hexdigest()[:8]}"

    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        """{"features": (n, d), "logits": (n, K)} of batch["x"] (n, C, H, W) in the data's units; float64, on the host."""
        x = batch["x"].to(torch.float64)
        if (self.low, self.high) != (self.to_low, self.to_high):
            x = self.to_low + (x - self.low) * ((self.to_high - self.to_low) / (self.high - self.low))
        found: Mapping[str, Tensor] = self.model.features({"x": x})
        return found


def ends(leaf: Leaf, featurizer: str) -> tuple[float, float]:
    """The values of black and white. Raises UsageError if the leaf does not say them."""
    if leaf.classes > 1:
        return 0.0, leaf.classes - 1.0
    if leaf.range is None:
        raise UsageError(f"the featurizer '{featurizer}' must know which values are black and white, and the leaf x has no range")
    return leaf.range
