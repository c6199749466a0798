"""The measured tables: what is drawn for them is written as they were measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gentk.columns import cell_of, valid
from gentk_datasets import bundled
from gentk_datasets.decimals import of_values


@pytest.mark.parametrize("made", [bundled.iris, bundled.wine, bundled.breast_cancer, bundled.diabetes])
def test_a_drawn_number_has_the_decimals_of_the_measured_ones(made: Any) -> None:
    """Noise far below them is rounded away from nearly every number, and a coarser rounding would lose some."""
    data = made()
    columns, x = data.spec.leaves["x"].columns, data.x
    drawn = valid(x + 1e-9 * torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), columns)
    assert ((drawn == x).double().mean(0) >= 0.98).all()
    for j, column in enumerate(columns):
        coarser = column.model_copy(update={"decimals": (column.decimals or 0) - 1})
        if column.kind == "number" and column.decimals and column.decimals > 1:
            assert (valid(x[:, j : j + 1], [coarser])[:, 0] == x[:, j]).double().mean() < 0.98
        assert column.kind == "integer" or column.decimals is not None
        assert cell_of(float(drawn[0, j]), column) == cell_of(float(x[0, j]), column)


def test_all_splits_have_the_same_columns() -> None:
    assert bundled.wine("train").spec.leaves == bundled.wine("test").spec.leaves


@pytest.mark.parametrize(
    ("values", "places"),
    [([5.1, 3.0], 1), ([4.23] * 99 + [9.899999], 2), ([1.0, 2.0], 0), ([0.0953, 0.1], 4), ([1.5e-7], 8)],
)
def test_decimals_are_those_of_nearly_all(values: list[float], places: int) -> None:
    assert of_values(np.array(values)) == places
