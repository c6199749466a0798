"""What is no number stops the training where it is computed: on a device that runs ahead of its host, everything that writes asks a flag
that lies there, and the host looks when it must wait anyway."""

from __future__ import annotations

import torch
from torch import Tensor

AHEAD = {"cuda"}  # devices that compute while the host goes on


class Gate:
    """Open while all losses and gradients are numbers; the first one that is none shuts it.

    `eager`: whether the host looks at once, as it may where it computes itself, and must where an optimizer cannot ask a flag.
    """

    def __init__(self, device: torch.device, *, eager: bool = False) -> None:
        self.eager = eager or device.type not in AHEAD
        self.shut = torch.zeros((), device=device)  # float32 and 0 or 1, as fused optimizers take it (`found_inf`)

    def watch(self, values: Tensor) -> None:
        """Shut the gate where one of `values` is no number; of an eager one the host sees to that."""
        if not self.eager:
            self.shut.logical_or_(~values.isfinite().all())

    @property
    def open(self) -> Tensor:
        """1 or 0, on the device."""
        return 1 - self.shut

    def reopen(self) -> None:
        self.shut.zero_()


@torch.no_grad()
def put_back(tensors: list[Tensor], copies: list[Tensor], gate: Gate) -> None:
    """Where the gate is shut, `tensors` get the values of `copies`, whose values are lost. Both must be numbers."""
    torch._foreach_mul_(copies, gate.shut)
    torch._foreach_mul_(tensors, gate.open)
    torch._foreach_add_(tensors, copies)
