"""What the pictures of series show is what they are given, and the autocorrelation is statsmodels'."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from scipy import stats
from statsmodels.tsa.stattools import acf

from gentk.dates import days
from gentk.plots import series
from gentk.protocols import Clock
from gentk.style import drawn

PAST = np.cumsum(np.random.default_rng(0).normal(size=(150, 2)), 0)
MEAN, STD = np.arange(20.0).reshape(10, 2), np.linspace(1, 2, 20).reshape(10, 2)


@pytest.mark.parametrize("lags", [0, 1, 30, 149])
def test_the_autocorrelation_is_statsmodels(lags: int) -> None:
    found = series.autocorrelation(PAST[:, 0], lags)
    assert found.shape == (lags + 1,) and np.allclose(found, acf(PAST[:, 0], nlags=lags, fft=False), rtol=1e-12)
    assert series.autocorrelation(np.ones(5), 2).tolist() == [1, 0, 0]


@pytest.mark.parametrize("interval", [0.5, 0.95, 0.999])
def test_an_interval_is_as_wide_as_the_normal_says(interval: float) -> None:
    assert series.width_of(interval) == pytest.approx(stats.norm.interval(interval)[1], rel=1e-12)


def test_a_forecast_begins_where_its_history_ends() -> None:
    """Each channel in its own panel: history, fit, mean, what came and the band, at their steps and values."""
    fit = np.concatenate([np.full((3, 2), np.nan), PAST[3:] + 0.5])
    made = series.forecast(PAST, fit, MEAN, STD, MEAN[:4] + 1, interval=0.8, title="weights")
    assert [axes.get_title() for axes in made.axes] == ["weights", ""] and [axes.get_ylabel() for axes in made.axes] == ["x0", "x1"]
    for d, axes in enumerate(made.axes):
        lines = {line.get_label(): np.asarray(line.get_xydata()) for line in axes.lines}
        assert np.allclose(lines["history"], np.stack([np.arange(30, 150), PAST[-120:, d]], 1))
        assert np.allclose(lines["fit, one step ahead"][:, 1], fit[-120:, d])
        assert np.allclose(lines["forecast"], np.stack([np.arange(150, 160), MEAN[:, d]], 1))
        assert np.allclose(lines["what came"], np.stack([np.arange(150, 154), MEAN[:4, d] + 1], 1))
        (band,) = axes.collections
        assert band.get_label() == "80 % interval"
        corners = band.get_paths()[0].vertices
        low, high = (stats.norm.interval(0.8, MEAN[:, d], STD[:, d])[i] for i in (0, 1))
        for t in range(10):
            here = corners[corners[:, 0] == 150 + t, 1]
            assert here.min() == pytest.approx(low[t]) and here.max() == pytest.approx(high[t])


def test_a_clock_puts_dates_on_the_time_axis_and_names_on_the_panels() -> None:
    """The history ends with a month, the forecast begins with the next one, and the line between them lies between them."""
    clock = Clock(name="month", format="%Y-%m", start=days("2010-03", "%Y-%m"), every=1, unit="month")
    made = series.forecast(PAST, PAST, MEAN, STD, names=("ice cream", "umbrellas"), clock=clock, start=2)
    assert [axes.get_ylabel() for axes in made.axes] == ["ice cream", "umbrellas"] and made.axes[-1].get_xlabel() == "month"
    lines = {str(line.get_label()): line.get_xdata() for line in made.axes[0].lines}
    assert lines["history"][-1] == datetime(2022, 10, 1) and lines["forecast"][0] == datetime(2022, 11, 1)
    made.canvas.draw()
    assert any("2020" in tick.get_text() for tick in made.axes[0].get_xticklabels())
    left = series.residuals(PAST, names=("ice cream", "umbrellas"), clock=clock, start=2)
    assert left.axes[0].get_ylabel() == "residual of ice cream" and left.axes[0].lines[1].get_xdata()[0] == datetime(2010, 5, 1)


def test_a_clock_beyond_all_dates_counts_steps() -> None:
    clock = Clock(name="year", format="%Y-%m", start=days("9990-01", "%Y-%m"), every=12, unit="month")
    made = series.forecast(PAST, PAST, MEAN, STD, clock=clock)
    assert made.axes[-1].get_xlabel() == "step" and made.axes[0].lines[0].get_xdata()[-1] == 149


def test_without_what_came_there_is_none_and_channels_have_an_end() -> None:
    wide = np.zeros((20, 9))
    made = series.forecast(wide, wide, wide[:5], wide[:5] + 1, wide[:0])
    assert len(made.axes) == series.CHANNELS and all("came" not in str(line.get_label()) for line in made.axes[0].lines)
    assert 800 < drawn(made).width < 1060


def test_residuals_are_drawn_over_time_as_a_density_and_by_lag() -> None:
    values = np.random.default_rng(1).normal(2, 3, size=(400, 1))
    values[:7] = np.nan
    made = series.residuals(values, lags=15, interval=0.9, title="weights")
    over, counts, memory = made.axes
    assert np.allclose(over.lines[1].get_xydata(), np.stack([np.arange(7, 400), values[7:, 0]], 1))
    bars = counts.patches
    assert sum(bar.get_width() * bar.get_height() for bar in bars) == pytest.approx(1)
    line = np.asarray(counts.lines[0].get_xydata())
    kept = values[7:, 0]
    assert np.allclose(line[:, 1], stats.norm.pdf(line[:, 0], kept.mean(), kept.std())) and f"mean {kept.mean():.2g}" in counts.get_title()
    stems = memory.collections[0].get_segments()
    assert np.allclose([stem[-1] for stem in stems], np.stack([np.arange(1, 16), series.autocorrelation(kept, 15)[1:]], 1))
    half = stats.norm.interval(0.9)[1] / np.sqrt(393)
    band = memory.patches[0].get_extents().transformed(memory.transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((-half, half), rel=1e-6)
    assert memory.get_ylim()[1] > max(half, np.abs(series.autocorrelation(kept, 15)[1:]).max())


@pytest.mark.parametrize("values", [np.zeros((5, 1)), np.ones((3, 2)), np.arange(4.0)[:, None]])
def test_little_and_constant_residuals_are_drawn_too(values: np.ndarray) -> None:
    assert drawn(series.residuals(values)).height > 200
