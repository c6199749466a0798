"""What the tests of reading from the Hub share."""

from __future__ import annotations

import pytest
import torch

import gentk
from gentk.errors import GentkError


def numbers(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.flatten() for p in model.parameters()])


def refusal(name: str) -> str:
    """The one line that loading says."""
    with pytest.raises(GentkError) as caught:
        gentk.load(name)
    assert "\n" not in str(caught.value) and caught.value.exit_code in (1, 2)
    return str(caught.value)


def offline(client: pytest.MonkeyPatch, yes: bool = True) -> None:
    client.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", yes)
