"""Several processes: each phase's gradients, weights and sums are added by hand, so several optimizers and penalties need no wrapper."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .errors import GentkError

T = TypeVar("T")


class Ranks:
    """This process among its peers; alone where nobody launched more."""

    def __init__(self) -> None:
        if not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")  # totals are on the host
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0

    @property
    def first(self) -> bool:
        return self.rank == 0

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Each tensor becomes its sum over the ranks, in place."""
        if self.world > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def add_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Gradients become their sums; one that a rank does not have counts as zero, one that no rank has stays None."""
        if self.world == 1:
            return
        had = torch.tensor([float(p.grad is not None) for p in parameters])
        dist.all_reduce(had)
        owned = [p for p, count in zip(parameters, had.tolist(), strict=True) if count]
        if not owned:
            return
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in owned])
        dist.all_reduce(flat)
        for parameter, part in zip(owned, torch.split(flat, [p.numel() for p in owned]), strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(part.view_as(parameter))  # in the parameter's own memory order

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Rank 0's values for everyone, in place."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def highest(self, number: int) -> int:
        """The largest of the ranks' numbers: what all of them act upon."""
        if self.world == 1:
            return number
        found = torch.tensor(number)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def agreed(self, act: Callable[[], T]) -> T:
        """What rank 0's `act` returns, on every rank; if it raises a GentkError there, every rank raises it."""
        found: list[Any] = [None]
        if self.first:
            try:
                found[0] = act()
            except GentkError as error:
                found[0] = error
        if self.world > 1:
            dist.broadcast_object_list(found, 0)
        if isinstance(found[0], GentkError):
            raise found[0]
        result: T = found[0]
        return result

    def wait(self) -> None:
        if self.world > 1:
            dist.barrier()

    def share_of(self, n: int) -> range:
        """Which of n samples are this rank's: neighbours, so that the shares concatenate in order."""
        return range(n * self.rank // self.world, n * (self.rank + 1) // self.world)

    def lists(self, mine: T) -> list[T]:
        """Every rank's, in their order, on every rank."""
        if self.world == 1:
            return [mine]
        parts: list[Any] = [None] * self.world
        dist.all_gather_object(parts, mine)
        return parts

    def gathered(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Every rank's rows in order, on every rank."""
        if self.world == 1:
            return batch
        full = [part for part in self.lists(batch) if part]  # with fewer samples than ranks, some have none
        return {key: torch.cat([part[key] for part in full]) for key in full[0]}
