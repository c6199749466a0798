"""gentk's checks of the plugin, and two of the model's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from gentk.testing import parametrize

from .config import TemplateConfig
from .data import TemplateData
from .model import Template


@parametrize("template")
def test_the_plugin_keeps_its_promises(check: Callable[[], None]) -> None:
    check()


def test_both_guesses_make_up_the_noisy_point() -> None:
    """x_t = α x̂ + σ ε̂ whatever the network says."""
    model = Template(TemplateConfig(), TemplateData.spec)
    x_t, t = torch.randn(5, 2), torch.tensor(0.3, dtype=torch.float64)
    alpha, sigma = model.schedule(t)
    guess = model.denoise(x_t, t, {"label": torch.tensor([0, 1, 2, 3, 3])})
    assert torch.allclose(alpha * guess.x + sigma * guess.eps, x_t, atol=1e-5)


@pytest.mark.parametrize(("share", "learnt"), [(0.0, False), (0.5, True)])
def test_none_is_learnt_where_labels_are_left_out(share: float, learnt: bool) -> None:
    """The last row of the embedding, from which guidance leads to a class."""
    model, data = Template(TemplateConfig(label_dropout=share), TemplateData.spec), TemplateData(size=64)
    model.loss({"x": data.x, "label": data.label}, "main", 0)["loss"].backward()
    assert model.net.label is not None and model.net.label.weight.grad is not None
    assert bool(model.net.label.weight.grad[-1].any()) == learnt
