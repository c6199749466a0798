"""Points in the plane, made on the fly: example i is a function of (data set, split, i), for as many i as anyone wants.

Each figure is centred and divided by one constant for both axes, so that its shape stays and each axis has a variance near 1.
The figures are those of scikit-learn's `make_swiss_roll`, `make_moons`, `make_circles`, and those of Grathwohl et al. 2019 (FFJORD).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.protocols import DataSpec, Leaf

from . import options
from .counters import normals, uniforms
from .splits import checked

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

LENGTHS = {"train": 2**20, "test": 2**16}

Array = NDArray[np.float64]
Figure = Callable[[Array, Array], tuple[Array, NDArray[np.int64]]]
"""(uniforms (n, 2), normals (n, 2)) → (points (n, 2), classes (n,))."""


class Points:
    """A figure as a data set: leaf `x` (2,), and the condition `label` where `classes` > 0."""

    def __init__(self, name: str, split: str, figure: Figure, *, classes: int = 0, names: Sequence[str] = ()) -> None:
        self.name, self.split, self.figure, self.classes = name, checked(split, name), figure, classes
        self.spec = DataSpec(
            modality="points",
            leaves={"x": Leaf(shape=(2,))},
            conditions={"label": Leaf(classes=classes, names=tuple(names))} if classes else {},
            frequencies={"label": [1 / classes] * classes} if classes else {},
        )

    def __len__(self) -> int:
        return LENGTHS[self.split]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`: x (n, 2) float32, label (n,) int64. Nothing is drawn from `noise`."""
        drawn = uniforms(f"{self.name}/{self.split}", np.asarray(indices, np.int64), 4)
        points, label = self.figure(drawn[:, :2], normals(drawn[:, 2:]))
        batch = {"x": torch.from_numpy(points.astype(np.float32))}
        if self.classes:
            batch["label"] = torch.from_numpy(label)
        return batch


def swiss_roll(split: str = "train", noise: float = 0.3) -> Points:
    """A spiral of one and a half turns: angle θ uniform in [1.5π, 4.5π], radius θ."""
    options.SwissRoll(noise=noise)
    centre, scale = np.array([2.0, 2 / (3 * np.pi)]), 6.8

    def figure(u: Array, z: Array) -> tuple[Array, NDArray[np.int64]]:
        angle = 1.5 * np.pi * (1 + 2 * u[:, 0])
        curve = np.stack([angle * np.cos(angle), angle * np.sin(angle)], 1)
        return (curve + noise * z - centre) / scale, _no_classes(u)

    return Points("swiss-roll", split, figure)


def moons(split: str = "train", noise: float = 0.08, labels: bool = True) -> Points:
    """Two half circles, each reaching into the other."""
    options.Moons(noise=noise, labels=labels)
    centre, scale = np.array([0.5, 0.25]), 0.7

    def figure(u: Array, z: Array) -> tuple[Array, NDArray[np.int64]]:
        label = _classes(u, 2)
        upper = np.stack([np.cos(np.pi * u[:, 1]), np.sin(np.pi * u[:, 1])], 1)
        curve = np.where(label[:, None] == 0, upper, np.array([1.0, 0.5]) - upper)
        return (curve + noise * z - centre) / scale, label

    return Points("moons", split, figure, classes=2 if labels else 0, names=("upper", "lower"))


def circles(split: str = "train", noise: float = 0.05, factor: float = 0.5, labels: bool = True) -> Points:
    """A circle inside a circle."""
    options.Circles(noise=noise, factor=factor, labels=labels)
    scale = 0.5 * np.sqrt(1 + factor**2)

    def figure(u: Array, z: Array) -> tuple[Array, NDArray[np.int64]]:
        label = _classes(u, 2)
        radius = np.where(label == 0, 1.0, factor)[:, None]
        return (radius * _on_circle(u[:, 1]) + noise * z) / scale, label

    return Points("circles", split, figure, classes=2 if labels else 0, names=("outer", "inner"))


def checkerboard(split: str = "train", squares: int = 4) -> Points:
    """The dark squares of a board whose sides run over [-√3, √3]: a uniform variable of variance 1."""
    options.Checkerboard(squares=squares)

    def figure(u: Array, z: Array) -> tuple[Array, NDArray[np.int64]]:
        x, row = u[:, 0] * squares, u[:, 1] * (squares / 2)
        y = 2 * np.floor(row) + (row - np.floor(row)) + np.floor(x) % 2
        return (np.stack([x, y], 1) * (2 / squares) - 1) * np.sqrt(3), _no_classes(u)

    return Points("checkerboard", split, figure)


def eight_gaussians(split: str = "train", noise: float = 0.1, labels: bool = True) -> Points:
    """Eight Gaussians whose centres stand on a circle."""
    options.EightGaussians(noise=noise, labels=labels)

    def figure(u: Array, z: Array) -> tuple[Array, NDArray[np.int64]]:
        label = _classes(u, 8)
        return (_on_circle(label / 8) + noise * z) * np.sqrt(2), label

    names = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
    return Points("eight-gaussians", split, figure, classes=8 if labels else 0, names=names)


def _on_circle(turn: Array) -> Array:
    return np.stack([np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)], 1)


def _classes(u: Array, count: int) -> NDArray[np.int64]:
    return np.floor(u[:, 0] * count).astype(np.int64)


def _no_classes(u: Array) -> NDArray[np.int64]:
    return np.zeros(len(u), np.int64)
