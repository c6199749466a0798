"""`gentk likelihood` of texts: each rate has the denominator that its name says."""

from __future__ import annotations

import math

import pytest
import torch

from gentk.cli.commands.likelihood import numbers, of_texts
from gentk.protocols import DataSpec, Leaf


def words(*names: str) -> DataSpec:
    return DataSpec(modality="text", leaves={"x": Leaf(shape=(6,), classes=len(names), names=names), "length": Leaf(classes=7)})


def test_tokens_that_are_all_alike_likely() -> None:
    """Of V alike tokens the perplexity is V, whatever their lengths; a character costs log₂ V bits times tokens over characters."""
    spec = words("a", "bcd", "ef", "g")
    batch = {"x": torch.tensor([[0, 1, 2, 0, 0, 0], [3, 3, 0, 0, 0, 0]]), "length": torch.tensor([3, 2])}  # "a bcd ef", "g g"
    nats = -torch.tensor([3.0, 2.0]) * math.log(4)
    told = of_texts(nats, numbers(batch), batch, spec)
    assert told["perplexity"] == pytest.approx(4)
    assert told["bits_per_character"] == pytest.approx(2 * 5 / (len("a bcd ef") + len("g g")))


def test_a_character_is_a_token_or_not() -> None:
    spec = words("a", "b")
    batch = {"x": torch.tensor([[0, 1, 1, 0, 0, 0]]), "length": torch.tensor([4])}
    told = of_texts(torch.tensor([-4 * math.log(2)]), numbers(batch), batch, spec)
    assert told == {"bits_per_character": pytest.approx(1), "perplexity": pytest.approx(2)}


def test_pooled_over_texts_and_finite() -> None:
    """A long text weighs more than a short one; what is beyond float64 is none."""
    spec = words("a", "b")
    batch = {"x": torch.zeros(2, 6, dtype=torch.int64), "length": torch.tensor([6, 1])}
    nats = torch.tensor([-6.0, -8.0])
    assert of_texts(nats, numbers(batch), batch, spec)["perplexity"] == pytest.approx(math.exp(2))
    assert of_texts(nats * 1000, numbers(batch), batch, spec)["perplexity"] is None
    empty = {**batch, "length": torch.tensor([0, 0])}
    assert of_texts(torch.zeros(2), numbers(empty), empty, spec) == {"bits_per_character": None, "perplexity": None}


def test_of_nothing_but_texts() -> None:
    points = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})
    assert of_texts(torch.zeros(1), torch.ones(1), {"x": torch.zeros(1, 2)}, points) == {}
