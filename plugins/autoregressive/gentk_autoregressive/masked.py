"""Masked layers: outputs that see only earlier inputs (Germain et al. 2015)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Channels(nn.Module):
    """Features of a pixel and its earlier channels → parameters of each channel, with one hidden layer.

    `masked`: hidden units come in one group per channel, and group i sees the values of channels before i. Otherwise the parameters
    depend on the features alone, and the distribution itself joins the channels.
    """

    def __init__(self, features: int, channels: int, parameters: int, *, masked: bool) -> None:
        super().__init__()
        groups = channels if masked else 1
        self.channels, self.masked = channels, masked
        self.hidden = nn.Linear(features, groups * features)
        self.out = nn.Linear(groups * features, parameters)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        if groups > 1:
            self.earlier = nn.Linear(channels, groups * features, bias=False)
            channel = torch.arange(channels, device="cpu")  # not on "meta", where torch would import its compiler to compare numbers
            group = torch.arange(groups, device="cpu").repeat_interleave(features)
            owner = channel.repeat_interleave(parameters // channels)
            self.register_buffer("mask", (channel < group[:, None]).float(), persistent=False)
            self.register_buffer("out_mask", (group == owner[:, None]).float(), persistent=False)

    mask: Tensor
    out_mask: Tensor

    def forward(self, features: Tensor, values: Tensor) -> Tensor:
        """features (…, F), values (…, C) in [-1, 1] → (…, parameters), or (…, C, each) where masked."""
        u = self.hidden(F.relu(features))
        if hasattr(self, "earlier"):
            u = F.relu(u + F.linear(values.to(u.dtype), self.earlier.weight * self.mask))
            out = F.linear(u, self.out.weight * self.out_mask, self.out.bias)
        else:
            out = self.out(F.relu(u))
        out = out.float()
        return out.view(*out.shape[:-1], self.channels, -1) if self.masked else out
