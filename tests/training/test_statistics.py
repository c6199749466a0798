"""Fits by sums over the data."""

from __future__ import annotations

import pytest
import torch

from gentk.protocols import DataSpec, Leaf
from gentk.training import Trainer, statistics

from .toys import Mean, Rows, settings


def fit(**changes: object) -> tuple[Trainer, torch.Tensor]:
    trainer = Trainer(Mean(), Rows(2500), settings(**changes))
    list(trainer.rounds())
    return trainer, trainer.model.mean


def test_a_fit_does_not_depend_on_the_batch_size() -> None:
    means = [fit(batch_size=size, tolerance=0.0)[1] for size in (1, 64, 2500)]
    assert torch.equal(means[0], means[1])
    assert torch.equal(means[0], means[2])


def test_chunks_take_every_example_once_and_few_numbers_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, asked = Rows(2500), list[list[int]]()

    def batch(self: Rows, indices: list[int], noise: object = None) -> dict[str, torch.Tensor]:
        asked.append(list(indices))
        return {"x": self.x[indices]}

    monkeypatch.setattr(Rows, "batch", batch, raising=False)
    for most, chunks in ((1000, 3), (2000, 2), (10_000, 1)):
        monkeypatch.setattr(statistics, "MOST", most)
        trainer = Trainer(Mean(), rows, settings(tolerance=0.0))
        trainer.prepare()
        asked.clear()
        list(trainer.rounds(1))
        assert [i for chunk in asked for i in chunk] == list(range(2500)) and len(asked) == chunks
        assert torch.allclose(trainer.model.mean, rows.x.double().mean(0) / 2, atol=1e-12)


@pytest.mark.parametrize("width", [0, 1, 3, 64, 100, 10**6])
def test_wide_examples_come_by_the_thousand(width: int) -> None:
    size = statistics.chunk_size(DataSpec(modality="points", leaves={"x": Leaf(shape=(width,))}))
    assert 1000 <= size <= 10_000
    assert size == 1000 or size * width <= 1 << 16


def test_it_finds_the_mean() -> None:
    trainer, mean = fit(tolerance=0.0)
    assert trainer.step == Mean.passes
    assert torch.allclose(mean, Rows(2500).x.double().mean(0), atol=1e-9)


def test_it_stops_when_nothing_is_gained_and_stays_stopped() -> None:
    trainer, mean = fit(tolerance=1e-4)
    assert 3 < trainer.step < Mean.passes
    tensors, numbers = trainer.state()
    again = Trainer(Mean(), Rows(2500), settings(tolerance=1e-4))
    again.restore(tensors, {**numbers, "step": trainer.step})
    assert not list(again.rounds())
    assert torch.equal(again.model.mean, mean)


def test_a_stopped_fit_goes_on_and_ends_where_it_would_have() -> None:
    _, mean = fit(tolerance=1e-4)
    first = Trainer(Mean(), Rows(2500), settings(tolerance=1e-4))
    list(first.rounds(3))
    tensors, numbers = first.state()
    second = Trainer(Mean(), Rows(2500), settings(tolerance=1e-4))
    second.restore(tensors, {**numbers, "step": 3})
    list(second.rounds())
    assert torch.equal(second.model.mean, mean)
