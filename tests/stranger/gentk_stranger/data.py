"""Data sets made on the fly: example i is a function of (name, split, i)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import gentk
from gentk.inference.sampling import evaluating
from gentk.protocols import DataSpec, Leaf, Noise

Maker = Callable[[Tensor, Callable[..., Tensor]], dict[str, Tensor]]
"""(indices (n,), normals(*shape) → (n, *shape)) → a batch."""

LENGTH, TOKENS, ATOMS = 16, 13, 6


class Made:
    """A data set from a function of the indices and of each example's own normals."""

    def __init__(self, name: str, split: str, size: int, spec: DataSpec, make: Maker) -> None:
        self.key, self.size, self.spec, self.make = zlib.crc32(f"{name}/{split}".encode()), size, spec, make

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: rows[0] for name, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        streams = [np.random.Generator(np.random.Philox(key=[self.key, int(i)])) for i in indices]

        def normals(*shape: int) -> Tensor:
            return torch.from_numpy(np.stack([stream.standard_normal(shape, dtype=np.float32) for stream in streams]))

        return self.make(torch.tensor([int(i) for i in indices]), normals)


def ring(split: str = "train", size: int = 2000, labels: bool = True) -> Made:
    """x (2,): eight Gaussians of deviation 0.1 on a circle of radius 2; label: which one."""

    def make(index: Tensor, normals: Callable[..., Tensor]) -> dict[str, Tensor]:
        label = index % 8
        angle = label * (torch.pi / 4)
        x = 2 * torch.stack([angle.cos(), angle.sin()], 1) + 0.1 * normals(2)
        return {"x": x, "label": label} if labels else {"x": x}

    spec = DataSpec(
        modality="points",
        leaves={"x": Leaf(shape=(2,))},
        conditions={"label": Leaf(classes=8)} if labels else {},
        frequencies={"label": [1 / 8] * 8} if labels else {},
    )
    return Made("ring", split, size, spec, make)


def counting(split: str = "train", size: int = 2**20) -> Made:
    """x (16,): numbers from a start of 1 to 5 up to 12, in steps of 1 or 2, then 0 for stop; length: how many, the stop included."""

    def make(index: Tensor, normals: Callable[..., Tensor]) -> dict[str, Tensor]:
        index = index + len(split) % 5  # the same ten sequences in each split, from another one on
        start, step = 1 + index % 5, 1 + index // 5 % 2
        x = start[:, None] + step[:, None] * torch.arange(LENGTH)
        inside = x < TOKENS
        return {"x": torch.where(inside, x, 0), "length": inside.sum(1) + 1}

    leaves = {"x": Leaf(shape=(LENGTH,), classes=TOKENS), "length": Leaf(classes=LENGTH + 1)}
    return Made("counting", split, size, DataSpec(modality="counting", leaves=leaves), make)


def chains(split: str = "train", size: int = 2**20) -> Made:
    """Chains of 3 to 6 atoms, padded to 6: types (6,) that alternate, bonds (6, 6) between neighbours, pos (6, 3) of a zigzag turned
    at random, its centre at the origin; mask (6,): which atoms there are."""

    def make(index: Tensor, normals: Callable[..., Tensor]) -> dict[str, Tensor]:
        atom = torch.arange(ATOMS)
        count = 3 + index % 4
        mask = atom < count[:, None]
        types = torch.where(mask, (atom + (index // 4 % 2)[:, None]) % 2, 0)
        neighbours = (atom[:, None] - atom).abs() == 1
        bonds = neighbours & mask[:, :, None] & mask[:, None, :]
        zigzag = torch.stack([atom * 1.0, atom % 2 * 0.8, atom * 0.0], -1)
        turn, _ = torch.linalg.qr(normals(3, 3))
        pos = (zigzag @ turn + 0.05 * normals(ATOMS, 3)) * mask[..., None]
        centre = pos.sum(1, keepdim=True) / count[:, None, None]
        return {"types": types, "bonds": bonds.long(), "pos": (pos - centre) * mask[..., None], "mask": mask.long()}

    leaves = {
        "types": Leaf(shape=(ATOMS,), classes=2),
        "bonds": Leaf(shape=(ATOMS, ATOMS), classes=2),
        "pos": Leaf(shape=(ATOMS, 3)),
        "mask": Leaf(shape=(ATOMS,), classes=2),
    }
    return Made("chains", split, size, DataSpec(modality="chain", leaves=leaves), make)


def tiles(split: str = "train", size: int = 4096) -> Made:
    """x (1, 8, 8): dark, with one bright quarter; label: which one."""

    def make(index: Tensor, normals: Callable[..., Tensor]) -> dict[str, Tensor]:
        label = index % 4
        quarter = torch.eye(4)[label].view(-1, 1, 2, 2)
        bright = quarter.repeat_interleave(4, 2).repeat_interleave(4, 3)
        return {"x": (1.4 * bright - 0.7 + 0.1 * normals(1, 8, 8)).clamp(-1, 1), "label": label}

    spec = DataSpec(
        modality="image",
        leaves={"x": Leaf(shape=(1, 8, 8), range=(-1, 1))},
        conditions={"label": Leaf(classes=4)},
        frequencies={"label": [1 / 4] * 4},
    )
    return Made("tiles", split, size, spec, make)


class Codes:
    """Another model's codes of a data set are the examples; as `decoder` that model goes along into the weights of what they train."""

    def __init__(self, base: Made, decoder: Any) -> None:
        self.base, self.decoder = base, decoder
        of = base.spec
        self.spec = DataSpec(modality="latent", leaves={"x": decoder.latent}, conditions=of.conditions, frequencies=of.frequencies)

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: rows[0] for name, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        batch = self.base.batch(indices)
        with torch.no_grad(), evaluating(self.decoder):
            return {**batch, "x": self.decoder.encode(batch)}


def codes(weights: str, split: str = "train", size: int = 4096) -> Codes:
    """The codes that the encoder in `weights` gives to the tiles."""
    return Codes(tiles(split, size), gentk.load(Path(weights)))
