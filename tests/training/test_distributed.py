"""The same micro-batches on any number of ranks train the same weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from .processes import start
from .worker import trained, work


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], dict[str, Tensor]]:
    """(ranks, rank) → what that rank trained. All have four micro-batches a round."""
    folder = tmp_path_factory.mktemp("ranks")
    started = [start(work, folder, rank, world) for world in (2, 4) for rank in range(world)]
    try:
        for process in started:
            process.join(timeout=120)
        assert [process.exitcode for process in started] == [0] * 6
    finally:
        for process in started:
            process.kill()
    found = {(world, rank): load_file(folder / f"{world}-{rank}.safetensors") for world in (2, 4) for rank in range(world)}
    return {(1, 0): trained(4, 1), **found}


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_are_micro_batches(worlds: dict[tuple[int, int], dict[str, Tensor]], world: int) -> None:
    alone, together = worlds[1, 0], worlds[world, 0]
    assert alone.keys() == together.keys()
    off = {name: float((alone[name].double() - together[name].double()).abs().max()) for name in alone if "flag" not in name.split(".")}
    assert max(off.values()) <= 1e-6, max(off, key=lambda name: off[name])
    assert float((alone["net.body.0.weight"] - trained(1, 1)["net.body.0.weight"]).abs().max()) > 1e-5  # other micro-batches, other draws


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_never_drift_apart(worlds: dict[tuple[int, int], dict[str, Tensor]], world: int) -> None:
    """Bit for bit, buffers that were written inside `loss` included."""
    for rank in range(1, world):
        assert all(torch.equal(worlds[world, rank][name], value) for name, value in worlds[world, 0].items())


def test_what_no_rank_reaches_is_left_alone(worlds: dict[tuple[int, int], dict[str, Tensor]]) -> None:
    """A gradient that is None everywhere is not zero: weight decay would move it on two ranks and not on one."""
    for ranks in worlds:
        assert worlds[ranks]["flagged.unused"].tolist() == [1, 1]
