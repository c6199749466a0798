"""gentk's checks of the plugin, and two of the model's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from gentk.protocols import DataSpec, Leaf
from gentk.testing import parametrize
from torch import nn

from .config import TemplateConfig
from .model import Template


@parametrize("template")
def test_the_plugin_keeps_its_promises(check: Callable[[], None]) -> None:
    check()


@pytest.fixture(params=[2, 5])
def flow(request: pytest.FixtureRequest) -> Template:
    """A flow of two or five numbers that does something: untrained, it would only change their order."""
    torch.manual_seed(0)
    flow = Template(TemplateConfig(layers=4, width=16), DataSpec(modality="points", leaves={"x": Leaf(shape=(request.param,))}))
    flow.start({"x": 3 + 2 * torch.randn(50, request.param)})
    for layer in flow.couplings.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.5)
    return flow.double()


def test_decoding_inverts_encoding(flow: Template) -> None:
    x = torch.randn(20, *flow.data.shape, dtype=torch.float64)
    assert torch.allclose(flow.decode(flow.encode({"x": x}), {}), x)


def test_the_determinant_is_that_of_the_jacobian(flow: Template) -> None:
    x = torch.randn(*flow.data.shape, dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda x: flow.to_latent(x[None])[0][0])(x)
    assert torch.allclose(flow.to_latent(x[None])[1], jacobian.det().abs().log())
