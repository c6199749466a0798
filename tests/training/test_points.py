"""A shipped family trained as a person would: `ddpm-points` on moons, stopped and gone on with; and its samples dealt out to ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import gentk
from gentk.host.lookup import recipe as resolve
from gentk.inference.sampling import stream
from gentk.runs import Run
from gentk.training.state import latest, read

SMALL = ("model.config.width=16", "model.config.blocks=1", "training.batch_size=32", "training.warmup=0.2", "training.lr_schedule=cosine")
TIMES = (("steps", 12), ("checkpoint_every", 4), ("preview_every", 0), ("evaluate_every", 3), ("log_every", 1))
EVERY = tuple(f"training.{name}={number}" for name, number in TIMES)


def recipe(*more: str) -> Any:
    return resolve("ddpm", "moons", [*SMALL, *EVERY, "sampler.options.steps=3", *more])


def everything(folder: Path) -> dict[str, Tensor]:
    checkpoint = latest(folder / "state")
    assert checkpoint is not None
    saved = {f"{name}/{key}": value for name, group in read(checkpoint).tensors.items() for key, value in group.items()}
    return {**saved, **{f"shared/{key}": value for key, value in load_file(folder / "model.safetensors").items()}}


@pytest.mark.parametrize("more", [(), ("training.optimizer=muon", "training.accumulate=4", "training.clip=0.5")])
def test_stopping_at_any_round_and_going_on_is_one_go(more: tuple[str, ...], tmp_path: Path) -> None:
    gentk.train(recipe(*more), out=tmp_path / "whole")
    for stop in (3, 8):
        torch.manual_seed(stop)
        torch.rand(5)
        gentk.train(recipe(*more), out=tmp_path / "parts", max_steps=stop, resume=stop > 3)
    gentk.train(recipe(*more), out=tmp_path / "parts", resume=True)
    whole, parts = everything(tmp_path / "whole"), everything(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    logs = [[{**row, "steps_per_second": 0, "peak_memory_mb": 0} for row in Run(tmp_path / name).log()] for name in ("whole", "parts")]
    assert [row["step"] for row in logs[0]] == list(range(1, 13))
    assert logs[0] == logs[1]


def test_shares_of_the_samples_are_the_whole(tmp_path: Path) -> None:
    """What two ranks draw, put together, is what one draws."""
    model = gentk.load(gentk.train(recipe(), out=tmp_path / "run").folder)

    def last(n: int, first: int) -> Tensor:
        *_, step = stream(model, n, seed=3, first=first, total=7)
        return dict(step.x)["x"]

    assert torch.allclose(torch.cat([last(3, 0), last(4, 3)]), last(7, 0), atol=1e-5)
