"""Chains of atoms: types and bonds are discrete, positions are not, a mask says which atoms there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from gentk.gaussian.predictions import Velocity
from gentk.gaussian.schedules import Rectified, rows, scales
from gentk.protocols import Batch, DataSpec, Noise, Phase, Prediction

from .config import ChainConfig
from .joint import JointFlow


def two_layers(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))


class Chain(nn.Module):
    """Messages between all pairs of atoms; positions move along the differences, so that turning the input turns the output."""

    Config = ChainConfig
    sampler = JointFlow
    ema = ("atom", "pair", "mix", "to_types", "to_bonds", "to_pos")
    conditions: Mapping[str, Any] = {}
    sizes: Tensor

    def __init__(self, config: ChainConfig, data: DataSpec) -> None:
        super().__init__()
        self.config, self.data, self.schedule = config, data, Rectified()
        width = config.width
        self.atoms = data.leaves["types"].shape[0]
        self.kinds, self.orders = data.leaves["types"].classes, data.leaves["bonds"].classes
        self.atom = nn.Linear(self.kinds + 3, width)
        self.pair = two_layers(2 * width + self.orders + 1, width)
        self.mix = two_layers(2 * width, width)
        self.to_types, self.to_bonds, self.to_pos = nn.Linear(width, self.kinds), nn.Linear(width, self.orders), nn.Linear(width, 1)
        self.register_buffer("sizes", torch.zeros(self.atoms + 1))  # how often each number of atoms occurs; saved with the weights

    def start(self, batch: Batch) -> None:
        self.sizes.copy_(torch.bincount(batch["mask"].sum(1), minlength=self.atoms + 1))

    def net(self, x: Batch, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of types (n, N, K) and bonds (n, N, N, B), and the velocity of pos (n, N, 3), for times t (n,)."""
        pos, mask = x["pos"], x["mask"].to(x["pos"])
        share = mask.sum(1)[:, None].expand_as(mask) / self.atoms
        seen = torch.stack([t[:, None].expand_as(mask), mask, share], -1)
        hidden = self.atom(torch.cat([one_hot(x["types"], self.kinds).to(pos), seen], -1))
        difference = pos[:, :, None] - pos[:, None]
        between = torch.cat([one_hot(x["bonds"], self.orders).to(pos), difference.square().sum(-1, keepdim=True)], -1)
        both = (mask[:, :, None] * mask[:, None])[..., None]
        for _ in range(2):
            left, right = hidden[:, :, None], hidden[:, None]
            message = self.pair(torch.cat([left + right, left * right, between], -1)) * both
            hidden = hidden + self.mix(torch.cat([hidden, message.sum(2)], -1))
        moved = (self.to_pos(message) * difference).sum(2) / self.atoms
        return self.to_types(hidden), self.to_bonds(message), moved

    def project(self, x: Batch) -> dict[str, Tensor]:
        """Bonds symmetric without loops, nothing where there is no atom, the centre of the atoms at the origin."""
        mask, upper = x["mask"], x["bonds"].triu(1)
        inside = mask[..., None].to(x["pos"])
        centre = (x["pos"] * inside).sum(1, keepdim=True) / inside.sum(1, keepdim=True)
        bonds = (upper + upper.mT) * mask[:, :, None] * mask[:, None]
        return {**x, "types": x["types"] * mask, "bonds": bonds, "pos": (x["pos"] - centre) * inside}

    def begin(self, n: int, noise: Noise, cond: Batch) -> dict[str, Tensor]:
        """Always as wide as the data: no draw depends on who else is in the batch."""
        size = noise.fork("size").categorical(self.sizes.log().expand(n, -1))
        flat = self.sizes.new_zeros(n, self.atoms, self.atoms, 1)
        return {
            "types": noise.categorical(flat[:, 0].expand(-1, -1, self.kinds)),
            "bonds": noise.categorical(flat.expand(-1, -1, -1, self.orders)),
            "pos": noise.normal(self.atoms, 3),
            "mask": (torch.arange(self.atoms, device=size.device) < size[:, None]).long(),
        }

    def denoise_leaves(self, x_t: Batch, t: Tensor, cond: Batch) -> dict[str, Prediction | Tensor]:
        types, bonds, velocity = self.net(x_t, rows(t, x_t["pos"]))
        return {"types": types, "bonds": bonds, "pos": Velocity().read(velocity, x_t["pos"], self.schedule, t)}

    def phases(self) -> tuple[Phase, ...]:
        return (Phase(),)

    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]:
        pos, mask = batch["pos"], batch["mask"]
        clean = {name: batch[name] for name in ("types", "bonds", "pos", "mask")}
        random = self.project(
            {
                "types": torch.randint_like(clean["types"], self.kinds),
                "bonds": torch.randint_like(clean["bonds"], self.orders),
                "pos": torch.randn_like(pos),
                "mask": mask,
            }
        )
        t = torch.rand(len(pos), dtype=torch.float64)
        alpha, sigma = scales(self.schedule, t, pos)
        still = rows(1 - t, pos)  # the share of discrete values that are clean at time t
        x_t = self.project(
            {
                "types": torch.where(torch.rand_like(pos[:, :, 0]) < still[:, None], clean["types"], random["types"]),
                "bonds": torch.where(torch.rand_like(pos @ pos.mT) < still[:, None, None], clean["bonds"], random["bonds"]),
                "pos": alpha * pos + sigma * random["pos"],
                "mask": mask,
            }
        )
        types, bonds, velocity = self.net(x_t, rows(t, pos))
        atoms = mask.bool()
        pairs = (atoms[:, :, None] & atoms[:, None]).triu(1)
        parts = {
            "types": cross_entropy(types[atoms], batch["types"][atoms]),
            "bonds": cross_entropy(bonds[pairs], batch["bonds"][pairs]),
            "pos": (velocity - (random["pos"] - pos))[atoms].square().mean(),
        }
        return {"loss": parts["types"] + 2 * parts["bonds"] + parts["pos"], **{name: value.detach() for name, value in parts.items()}}
