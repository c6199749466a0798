"""gentk's checks of the plugin, and two of its own mathematics."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from gentk.protocols import DataSpec, Leaf
from gentk.testing import parametrize

from .featurizer import Spectrum
from .metric import Template

SERIES = DataSpec(modality="MODALITY", leaves={"x": Leaf(shape=(16, 1))})


@parametrize("template")
def test_the_plugin_keeps_its_promises(check: Callable[[], None]) -> None:
    check()


def test_it_is_the_distance_of_two_gaussians() -> None:
    """Exactly: the rows are given the moments. With an offset beside which the deviations are small."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(500, 3, generator=draw).double()
    x = (x - x.mean(0)) / x.std(0)
    mean, deviation = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([0.5, 1.0, 3.0]).double()
    metric = Template(SERIES)
    for part in (x[:100], x[100:]):
        metric.update("real", {"features": part + 1e6})
        metric.update("generated", {"features": deviation * part + mean + 1e6})
    wanted = math.sqrt(float(mean.square().sum() + (deviation - 1).square().sum()))
    assert metric.compute().value == pytest.approx(wanted, rel=1e-7)


def test_a_wave_has_the_amplitude_of_its_frequency_whatever_its_phase() -> None:
    time = torch.arange(16) / 16
    waves = [0.5 * torch.cos(2 * math.pi * (3 * time + phase))[:, None] for phase in (0.0, 0.1)]
    found = Spectrum(SERIES).features({"x": torch.stack(waves)})["features"]
    assert found[0].tolist() == pytest.approx([0.25 if k == 3 else 0.0 for k in range(9)], abs=1e-6)
    assert found[1].tolist() == pytest.approx(found[0].tolist(), abs=1e-6)
