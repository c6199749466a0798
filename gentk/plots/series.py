"""Series and what a model says of them: what came before, what is forecast, and what it missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from ..legends import shortened
from ..style import CLASSES, INK, ONE, RULE, WIDE, calm, dated, legend, moments, named, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ..protocols import Clock

TOLD, FIT = CLASSES[1], CLASSES[2]
CHANNELS = 6
"""Of a series with more, the first so many are drawn."""
LEAST, TIMES = 120, 6
"""So many steps of the history are shown, and so many times those of the forecast, whichever is more."""


def width_of(interval: float) -> float:
    """How many standard deviations to each side hold a share `interval` of a normal distribution: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + interval) / 2)


def forecast(
    past: NDArray[Any],
    fit: NDArray[Any],
    mean: NDArray[Any],
    std: NDArray[Any],
    came: NDArray[Any] | None = None,
    *,
    interval: float = 0.95,
    title: str = "",
    names: Sequence[str] = (),
    clock: Clock | None = None,
    start: int = 0,
) -> Figure:
    """A panel per channel: the past and its one-step fit (T, D), the forecast's mean and band (steps, D), what really came (≤ steps, D).
    `names` of the channels; `clock`: when the steps are, of which the first is number `start`."""
    channels = min(past.shape[1], CHANNELS)
    made = sheet(WIDE, 0.8 + 3.1 * channels)
    shown = min(len(past), max(LEAST, TIMES * len(mean)))
    times, unit = steps_of(clock, start, len(past) + len(mean))
    before, after = times[len(past) - shown : len(past)], times[len(past) :]
    for d in range(channels):
        axes = made.add_subplot(channels, 1, d + 1)
        calm(axes)
        axes.plot(before, past[-shown:, d], color=ONE, linewidth=1.4, label="history")
        axes.plot(before, fit[-shown:, d], color=FIT, linewidth=1.0, linestyle=(0, (4, 1.5)), label="fit, one step ahead")
        half = width_of(interval) * std[:, d]
        band = f"{100 * interval:g} % interval"
        axes.fill_between(after, mean[:, d] - half, mean[:, d] + half, color=TOLD, alpha=0.18, linewidth=0, label=band)
        axes.plot(after, mean[:, d], color=TOLD, linewidth=1.6, label="forecast")
        if came is not None and len(came):
            axes.plot(after[: len(came)], came[:, d], color=INK, linewidth=0.9, marker="o", markersize=2.6, label="what came")
        axes.axvline(before[-1] + (after[0] - before[-1]) / 2, color=RULE, linewidth=1.4, zorder=0)
        named(axes, title if d == 0 else "", unit if d == channels - 1 else "", called(d, names, past.shape[1]))
        if before.dtype == object:
            dated(axes)
    # Below the panels: inside one it would lie on the series.
    handles, names = made.axes[0].get_legend_handles_labels()
    made.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False, fontsize=8, labelcolor=INK)
    return made


def called(channel: int, names: Sequence[str], of: int) -> str:
    """A channel's name; where it has none, its number among several."""
    return shortened(names[channel]) if channel < len(names) else f"x{channel}" if of > 1 else ""


def steps_of(clock: Clock | None, start: int, count: int) -> tuple[Any, str]:
    """Where steps stand on the time axis, as an array, and what that is called."""
    import numpy as np

    times = moments(clock, start, count)
    return (np.array(times), clock.name) if clock and times else (np.arange(count), "step")


def autocorrelation(values: NDArray[Any], lags: int) -> NDArray[Any]:
    """The sample autocorrelation at lags 0 … `lags` of (T,): products of deviations over their squares' sum (Box and Jenkins, 2.1.11)."""
    import numpy as np

    centred = values - values.mean()
    total = float(centred @ centred)
    return np.array([float(centred[k:] @ centred[: len(centred) - k]) / total if total else float(k == 0) for k in range(lags + 1)])


def residuals(
    values: NDArray[Any],
    *,
    lags: int = 24,
    interval: float = 0.95,
    title: str = "",
    names: Sequence[str] = (),
    clock: Clock | None = None,
    start: int = 0,
) -> Figure:
    """Per channel of (T, D), NaN where there is none: over time, their histogram under the normal curve, and their autocorrelation with
    the band in which a share `interval` of white noise's would lie."""
    import numpy as np

    channels = min(values.shape[1], CHANNELS)
    made = sheet(WIDE, 0.4 + 2.9 * channels)
    times, unit = steps_of(clock, start, len(values))
    for d in range(channels):
        steps = np.flatnonzero(np.isfinite(values[:, d]))
        found = values[steps, d]
        over, counts, memory = (made.add_subplot(channels, 3, 3 * d + i + 1) for i in range(3))
        for axes in (over, counts, memory):
            calm(axes)
        over.axhline(0, color=INK, linewidth=0.8)
        over.plot(times[steps], found, color=ONE, linewidth=0.9, marker="o", markersize=2)
        name = called(d, names, values.shape[1])
        named(over, title if d == 0 else "", unit, f"residual of {name}" if name else "residual")
        if times.dtype == object:
            dated(over)
        _histogram(counts, found)
        _memory(memory, found, min(lags, len(found) - 1), interval)
        mean = found.mean() if abs(found.mean()) > 1e-6 * found.std() else 0.0  # not the rounding of a fit that leaves none
        named(counts, f"mean {mean:.2g}, standard deviation {found.std():.2g}", "residual", "density")
        named(memory, f"autocorrelation, {100 * interval:g} % band", "lag (steps)")
    return made


def _histogram(axes: Any, found: NDArray[Any]) -> None:
    import numpy as np

    mean, std = float(found.mean()), float(found.std()) or 1.0
    reach = max(3.5 * std, float(np.abs(found - mean).max()))
    axes.hist(found, bins=max(8, min(40, round(2 * len(found) ** 0.5))), density=True, color=ONE, alpha=0.55)
    line = np.linspace(mean - reach, mean + reach, 201)
    axes.plot(line, np.exp(-(((line - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi)), color=TOLD, linewidth=1.5, label="normal")
    legend(axes, loc="upper right")


def _memory(axes: Any, found: NDArray[Any], lags: int, interval: float) -> None:
    """A stem per lag from 1 on: lag 0 is 1 for everybody."""
    import numpy as np

    band = width_of(interval) / math.sqrt(len(found))
    shown, at = autocorrelation(found, lags)[1:], np.arange(1, lags + 1)
    axes.axhspan(-band, band, color=TOLD, alpha=0.18, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.vlines(at, 0, shown, color=ONE, linewidth=1.6)
    axes.scatter(at, shown, color=ONE, s=9, zorder=3)
    reach = 1.25 * max(band, float(np.abs(shown).max(initial=0)))
    axes.set_ylim(-reach, reach)
