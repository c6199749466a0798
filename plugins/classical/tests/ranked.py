"""One rank of a fit: what it is fitted to, and the life of its process. Apart from the tests, so that a fresh process can import it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from gentk.host.lookup import build_model
from gentk.protocols import DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training import Trainer, statistics


class Cloud:
    """`size` points around four centres, each with a covariance and a class of its own; the third class is rare."""

    def __init__(self, size: int = 2300, d: int = 3, *, offset: float = 0.0, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        centres, shapes = 2 * torch.randn(4, d, generator=generator), torch.randn(4, d, d, generator=generator) / 2
        which = torch.multinomial(torch.tensor([0.4, 0.35, 0.05, 0.2]), size, replacement=True, generator=generator)
        z = torch.randn(size, d, 1, generator=generator)
        self.x = centres[which] + (shapes[which] @ z)[..., 0] + 0.3 * torch.randn(size, d, generator=generator) + offset
        self.label = which
        self.spec = DataSpec(modality="points", leaves={"x": Leaf(shape=(d,))}, conditions={"label": Leaf(classes=4)})

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index], "label": self.label[index]}

    def batch(self, indices: Any, noise: Any = None) -> dict[str, Tensor]:
        rows = torch.as_tensor(indices)
        return {"x": self.x[rows], "label": self.label[rows]}


FITS: dict[str, tuple[str, dict[str, Any]]] = {
    "full": ("gmm", {"components": 4, "passes": 12}),
    "spherical, map, by class": ("gmm", {"components": 2, "covariance": "spherical", "estimate": "map", "per_class": True, "passes": 6}),
    "diag, float32": ("gmm", {"components": 4, "covariance": "diag", "compute": "float32", "passes": 6}),
    "naive-bayes": ("naive-bayes", {}),
    "kde": ("kde", {"points": 300}),
}


def fit(name: str, batch_size: int = 64) -> dict[str, Tensor]:
    """The state of one of FITS after all of its passes."""
    data = Cloud()
    model_name, config = FITS[name]
    model = build_model("classical", model_name, config, data.spec)
    trainer = Trainer(model, data, TrainingPart(batch_size=batch_size, tolerance=0.0, evaluate_every=0))
    with patch.object(statistics, "MOST", 1000):  # a chunk for each rank
        list(trainer.rounds())
    return dict(model.state_dict())


def work(folder: Path, rank: int, world: int) -> None:
    """The whole life of a rank's process."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    found = {f"{name}/{key}": value.contiguous() for name in FITS for key, value in fit(name).items()}
    save_file(found, folder / f"{rank}.safetensors")
    dist.barrier()
    dist.destroy_process_group()
