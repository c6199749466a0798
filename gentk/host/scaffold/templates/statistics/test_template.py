"""gentk's checks of the plugin, and two of the model's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from gentk.testing import parametrize

from .config import TemplateConfig
from .data import HOURS, TemplateData
from .model import Template


@parametrize("template")
def test_the_plugin_keeps_its_promises(check: Callable[[], None]) -> None:
    check()


@pytest.fixture
def fitted() -> Template:
    model, data = Template(TemplateConfig(), TemplateData.spec), TemplateData(noise=0.2)
    model.update(model.statistics({"x": 3 + data.x}))
    return model


def test_a_fit_finds_what_made_the_data(fitted: Template) -> None:
    """The level, the noise's deviation, and amplitude · √(hours / 2) along each wave's cosine and sine."""
    facts = fitted.facts()
    assert fitted.mean.tolist() == pytest.approx([3.0] * HOURS, abs=0.1)
    assert facts["noise"] == pytest.approx(0.2, rel=0.02)
    assert facts["components"] == pytest.approx([amplitude * (HOURS / 2) ** 0.5 for amplitude in (1, 1, 0.5, 0.5)], rel=0.05)


def test_sums_add(fitted: Template) -> None:
    x = TemplateData(size=100).x
    whole, parts = fitted.statistics({"x": x}), [fitted.statistics({"x": part}) for part in (x[:30], x[30:])]
    assert all(torch.allclose(value, parts[0][key] + parts[1][key]) for key, value in whole.items())
