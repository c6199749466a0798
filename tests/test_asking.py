"""What a method can be told by name, and noise that belongs to rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

import gentk
from gentk.errors import UsageError
from gentk.inference.asking import checked, options_of, parts
from tests.closed_forms import TwoGaussians

if TYPE_CHECKING:
    from nowhere import Unknown


def method(batch: Any, noise: Any, *, samples: int = 5, share: float | None = None, odd: Unknown = 3, needed: str) -> None: ...


def test_options_are_the_keyword_only_parameters_with_defaults() -> None:
    assert options_of(method) == {"samples": 5, "share": None, "odd": 3} == options_of(partial(method, "batch"))


def test_values_are_those_of_the_annotations() -> None:
    given = {"samples": 7, "share": 2, "odd": "whatever only type checkers know"}
    assert checked(partial(method, "batch"), given, "it") == given


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"sample": 3}, "it has no option 'sample'; did you mean 'samples'?"),
        ({"samples": 2.5}, "option 'samples' of it: should be a valid integer"),
        ({"samples": True}, "valid integer"),
        ({"share": "much"}, "option 'share'"),
        ({"needed": "x"}, "no option 'needed'"),
    ],
)
def test_what_a_method_does_not_take_is_told(given: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]*$") as told:
        checked(method, given, "it")
    assert word in str(told.value)


def test_a_likelihood_of_its_own_takes_its_own_options() -> None:
    model, batch = TwoGaussians(), {"x": torch.zeros(4, 1), "label": torch.tensor([0, 1, 0, 1])}
    assert torch.allclose(gentk.log_prob(model, batch), torch.full((4,), -1.4189385332046727, dtype=torch.float64))
    assert float(gentk.log_prob(model, batch, samples=4).std()) > 0.1
    with pytest.raises(UsageError, match="has no option 'steps'; there is: samples"):
        gentk.log_prob(model, batch, steps=3)
    with pytest.raises(UsageError, match="has no option 'steps'"):
        gentk.encode(Encodes(), batch, steps=3)


class Encodes(nn.Module):
    conditions: dict[str, Any] = {}

    def encode(self, batch: Any, *, temperature: float = 1.0) -> Any:
        return batch["x"] * temperature


def test_an_encoder_takes_its_own_options() -> None:
    assert torch.equal(gentk.encode(Encodes(), {"x": torch.ones(2, 1)}, temperature=3.0), torch.full((2, 1), 3.0))


def test_the_noise_of_a_row_does_not_know_its_part() -> None:
    model, batch = TwoGaussians(), {"x": torch.zeros(7, 1), "label": torch.zeros(7, dtype=torch.int64)}
    whole = torch.cat([noise.normal(3) for _, noise in parts(model, batch, seed=5)])
    small = list(parts(model, batch, seed=5, batch_size=3))
    assert [len(noise) for _, noise in small] == [3, 3, 1] and torch.equal(whole, torch.cat([noise.normal(3) for _, noise in small]))
    part, noise = small[0]
    assert part["x"].dtype == noise.normal().dtype == torch.float64 and part["label"].dtype == torch.int64
