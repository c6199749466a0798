"""Series by their amplitudes: what distances between series may be measured in."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from gentk.errors import UsageError
from gentk.protocols import Batch, DataSpec
from torch import Tensor


class Spectrum:
    """The amplitude of each frequency of each channel: x (n, T, D) → (n, (T // 2 + 1)·D). Blind to phases, and so to when things happen."""

    id = "template-1"  # part of every score: another number when the numbers change

    def __init__(self, data: DataSpec) -> None:
        leaf = data.leaves.get("x")
        if data.modality != "MODALITY" or leaf is None or leaf.classes or "length" in data.leaves:
            raise UsageError(f"the featurizer 'template' is for MODALITY of one length, and these are {data.modality} examples")

    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        """{"features": (n, d)} float64 on the host; those of a row depend on that row alone."""
        x = batch["x"].detach().cpu().double()
        return {"features": torch.fft.rfft(x, dim=1, norm="forward").abs().flatten(1)}
