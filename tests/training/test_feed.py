"""How batches reach a device."""

from __future__ import annotations

import pytest
import torch

from gentk.training import Trainer, feed, order

from .toys import Net, Rows, settings


class Movable(Rows):
    nbytes = 1000

    def to(self, device: torch.device) -> Movable:
        moved = Movable()
        moved.x, moved.length = self.x.to(device), self.length.to(device)
        return moved


@pytest.mark.parametrize(("free", "first", "where"), [(4000, False, "meta"), (3999, False, "cpu"), (4000, True, "meta")])
def test_data_that_fit_are_held_on_a_device(free: int, first: bool, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "AHEAD", {"meta"})
    monkeypatch.setattr(feed, "room", lambda device: free)
    data = Movable()
    held = feed.near(order.First(data, 10) if first else data, torch.device("meta"))
    assert len(held) == (10 if first else 64)
    assert {value.device.type for value in order.fetch(held, [1, 2]).values()} == {where}
    plain = Rows()
    assert feed.near(plain, torch.device("meta")) is plain
    assert feed.near(data, torch.device("cpu")) is data
    assert not hasattr(order.First(plain, 3), "nbytes")


def test_the_thread_that_fetches_computes_alone_and_others_as_before() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        trainer = Trainer(Net(), Rows(), settings())
        assert trainer._pool.submit(torch.get_num_threads).result() == 1
        assert torch.get_num_threads() == 2
        list(trainer.rounds(2))
        assert trainer._pool.submit(torch.get_num_threads).result() == 1
        other = feed.helper()  # a second one changes neither
        assert other.submit(torch.get_num_threads).result() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
