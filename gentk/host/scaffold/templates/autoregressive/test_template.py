"""gentk's checks of the plugin, and two of the model's own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from gentk.noise import Philox
from gentk.protocols import DataSpec, Leaf
from gentk.testing import parametrize

from .config import TemplateConfig
from .model import Template


@parametrize("template")
def test_the_plugin_keeps_its_promises(check: Callable[[], None]) -> None:
    check()


@pytest.fixture
def model() -> Template:
    """Three tokens, room for four, and weights as they come."""
    torch.manual_seed(0)
    leaves = {"x": Leaf(shape=(4,), classes=3, names=("\n", "a", "b")), "length": Leaf(classes=5)}
    return Template(TemplateConfig(width=8), DataSpec(modality="text", leaves=leaves))


def test_the_probabilities_of_all_texts_sum_to_one(model: Template) -> None:
    """A text ends with its first newline, or is full."""
    texts = {text[: text.index(0) + 1] if 0 in text else text for text in product(range(3), repeat=4)}
    x = torch.tensor([[*text, 0, 0, 0][:4] for text in texts])
    batch = {"x": x, "length": torch.tensor([len(text) for text in texts])}
    with torch.no_grad():
        total = model.log_prob(batch, Philox(0, range(len(x)))).exp().sum()
    assert float(total) == pytest.approx(1, abs=1e-5)


def test_going_on_gives_what_reading_at_once_gives(model: Template) -> None:
    """Token by token through the cache, from a prompt of its own length for each row."""
    prompt, rest = torch.tensor([[1, 2, -1, -1], [2, -1, -1, -1]]), torch.tensor([[1, 2], [0, 1]])
    logits, cache, _, length = model.begin(2, {"prompt": prompt})
    whole = model.head(model.states(model.begun(torch.tensor([[1, 2, 1, 2], [2, 0, 1, 0]]))))
    assert torch.allclose(logits, whole[torch.arange(2), length], atol=1e-6)
    for i in range(2):
        after, cache = model.next(rest[:, i : i + 1], cache, length + i)
        assert torch.allclose(after[:, 0], whole[torch.arange(2), length + i + 1], atol=1e-6)
