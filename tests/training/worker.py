"""One rank: trains the toys and writes what came of them."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from gentk.training import Trainer, statistics

from .toys import Duel, Mean, Net, Rows, Shaken, settings


class Flagged(Net):
    """A parameter that no loss reaches, and a buffer written inside `loss`, of a type that cannot be added."""

    flag: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.ones(2))
        self.register_buffer("flag", torch.zeros(2, dtype=torch.bool))

    def loss(self, batch: dict[str, Tensor], phase: str, step: int) -> dict[str, object]:  # type: ignore[override]
        self.flag[0] = bool(batch["x"][0, 0] > 0)
        return super().loss(batch, phase, step)


class Convolved(Net):
    """Convolutions in channels-last order, as every model is built: optimizers go by memory."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        first, last = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 3, padding=1)
        self.body = torch.nn.Sequential(torch.nn.Unflatten(1, (3, 1, 1)), first, torch.nn.Tanh(), last, torch.nn.Flatten())
        self.to(memory_format=torch.channels_last)


def trained(micro_batches: int, world: int) -> dict[str, Tensor]:
    """Every toy's weights after a run of `micro_batches` in all, dealt out over `world` ranks."""
    found: dict[str, Tensor] = {}
    common = {"accumulate": micro_batches // world, "lr": 1e-3, "weight_decay": 0.1}
    toys = (("net", Net(), Shaken()), ("duel", Duel(), Rows()), ("flagged", Flagged(), Rows()), ("conv", Convolved(), Rows()))
    for name, model, data in toys:
        trainer = Trainer(model, data, settings(**common))
        for progress in trainer.rounds():
            last = progress.logs
        found |= {f"{name}.{key}": value.contiguous().clone() for key, value in model.state_dict().items()}
        found |= {f"{name}.averaged.{key}": value.contiguous().clone() for key, value in trainer.averaged.state_dict().items()}
        found |= {f"{name}.logs.{key}": torch.tensor(value) for key, value in last.items()}
        found |= {f"{name}.means.{key}": torch.tensor(value) for key, value in trainer.means.take().items()}
    fit = Trainer(Mean(), Rows(2500), settings(**common))
    with patch.object(statistics, "MOST", 1000):  # a chunk for each rank
        list(fit.rounds())
    found["mean"] = fit.model.mean.clone()
    return found


def work(folder: Path, rank: int, world: int) -> None:
    """The whole life of a rank's process."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet-{world}", rank=rank, world_size=world)
    save_file(trained(4, world), folder / f"{world}-{rank}.safetensors")
    dist.barrier()
    dist.destroy_process_group()
