"""The live view of a training."""

from __future__ import annotations

import pytest

from gentk.cli.view import Curve, sparkline


def test_a_curve_of_any_length_is_means_of_equally_many_values() -> None:
    curve = Curve()
    for k in range(10_000):
        curve.add(float(k))
        curve.add(None)
    assert len(curve.means) == 10_000 // curve.span == 1250
    assert curve.means == pytest.approx([k * 8 + 3.5 for k in range(1250)])
    assert len(sparkline(curve.means, 40)) == 40
