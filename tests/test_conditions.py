"""What a condition takes from Python: tensors, lists and single values, and what it refuses in one line."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gentk.conditions import Label, Number, Text

SHARE = Number(low=0.7, high=1.1)


def test_a_bound_that_went_through_float32_is_still_the_bound() -> None:
    given = torch.tensor([0.7, 1.1, 1.0])
    assert float(given[0]) < 0.7 and float(given[1]) > 1.1
    assert torch.equal(SHARE.prepare(given, 3), given)
    assert torch.equal(Number(low=0.0).prepare(torch.tensor([0.0]), 2), torch.zeros(2))


@pytest.mark.parametrize("value", [0.9, torch.tensor(0.9), [0.9], ["0.9"], torch.tensor([[0.9]])])
def test_one_number_is_for_all(value: Any) -> None:
    assert SHARE.prepare(value, 2).tolist() == pytest.approx([0.9, 0.9])


@pytest.mark.parametrize(
    ("condition", "value", "word"),
    [
        (SHARE, 0.69, "0.7"),
        (SHARE, float("nan"), "finite"),
        (Number(), [float("inf")], "finite"),
        (SHARE, [], "empty"),
        (Label(classes=3), [], "empty"),
        (Label(classes=3), [1.9], "whole number"),
        (Label(classes=3), torch.tensor([0.5]), "whole number"),
        (Label(classes=3), [3], "no class 3"),
        (Text(length=2), [], "empty"),
    ],
)
def test_what_is_refused(condition: Any, value: Any, word: str) -> None:
    with pytest.raises(ValueError, match=word) as error:
        condition.prepare(value, 2)
    assert "\n" not in str(error.value)
