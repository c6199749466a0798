"""Series: one that was measured, shown whole or in windows, and others made on the fly.

A measured series is split in time: the first part is for training, what comes after is to be forecast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.dates import clock_of, format_of
from gentk.errors import UsageError
from gentk.modalities.steps import Measured as Found
from gentk.modalities.steps import measured
from gentk.protocols import Clock, Column, DataSpec, Leaf

from . import options
from .counters import normals, uniforms
from .decimals import rounded
from .fetching import file
from .splits import checked

if TYPE_CHECKING:
    from torch import Tensor

    from gentk.protocols import Noise

PASSENGERS = "https://raw.githubusercontent.com/jbrownlee/Datasets/master/airline-passengers.csv"
PASSENGERS_SHA256 = "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621"
LENGTHS = {"train": 2**16, "test": 2**12}

Array = NDArray[np.float64]


class Measured:
    """One series (T, D), its training part the first `1 - test_share` of it.

    `window` 0: one example, leaf `x` (T, D) with the leaf `length`: of `train`, the training part, padded with zeros; of `test`, the
    whole series, whose last steps are those that training has not seen. Else: the examples are the windows of so many steps inside the
    part, each `stride` after the one before; x (window, D).
    """

    def __init__(self, name: str, found: Found, chosen: options.Series, split: str) -> None:
        series = prepared(name, found.series[0], chosen)
        steps = len(series)
        held = min(max(round(chosen.test_share * steps), 1), steps - 1) if chosen.test_share > 0 else 0
        low, high = (steps - held, steps) if checked(split, name) == "test" else (0, steps - held)
        self.lengths: NDArray[np.int64] | None = None
        if chosen.window:
            starts = range(low, high - chosen.window + 1, chosen.stride)
            if not starts:
                have = f"{high - low} steps are in the split '{split}' (of {steps}, test_share {chosen.test_share:.3g})"
                raise UsageError(f"data set {name}: no window of {chosen.window} steps fits: {have}")
            self.x = np.stack([series[start : start + chosen.window] for start in starts])
        else:
            self.x = np.where(np.arange(steps)[:, None] < high, series, 0)[None]
            self.lengths = np.array([high], np.int64)
        raw = not (chosen.log or chosen.difference)
        columns = tuple(Column(name=of, decimals=rounded(series[:, d]) if raw else None) for d, of in enumerate(found.names))
        clock = None if chosen.window else _clock(name, found, chosen.difference)
        leaf = Leaf(shape=self.x.shape[1:], double=True, columns=columns, clock=clock)
        self.spec = DataSpec(modality="series", leaves={"x": leaf} | ({} if chosen.window else {"length": Leaf(classes=steps + 1)}))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`: x (n, T, D) float64, and length (n,) int64 where the series is whole. Nothing is drawn from `noise`."""
        chosen = np.asarray(indices, np.int64)
        batch = {"x": torch.from_numpy(self.x[chosen])}
        if self.lengths is not None:
            batch["length"] = torch.from_numpy(self.lengths[chosen])
        return batch


def prepared(name: str, series: Array, chosen: options.Series) -> Array:
    """The logarithms, then the differences, where they are asked for."""
    if chosen.log:
        if (series <= 0).any():
            raise UsageError(f"data set {name}: there is no logarithm of {series.min():g}, a value of this series; leave out log")
        series = np.log(series)
    if chosen.difference:
        if len(series) <= chosen.difference + 1:
            raise UsageError(f"data set {name}: {len(series)} steps are too few for differences over {chosen.difference}")
        series = series[chosen.difference :] - series[: -chosen.difference]
    if len(series) < 2:
        raise UsageError(f"data set {name}: a series of {len(series)} steps cannot be split")
    return series


def airline_passengers(
    split: str = "train", log: bool = False, difference: int = 0, window: int = 0, stride: int = 1, test_share: float = 1 / 6
) -> Measured:
    """International airline passengers, thousands a month, 1949 to 1960 (Box and Jenkins 1976, series G): 120 months and 24."""
    chosen = options.AirlinePassengers(log=log, difference=difference, window=window, stride=stride, test_share=test_share)
    found = measured(file("airline-passengers", "timeseries", PASSENGERS, PASSENGERS_SHA256))
    return Measured("airline-passengers", found, chosen, split)


def series(
    split: str = "train",
    *,
    path: str,
    columns: str = "",
    log: bool = False,
    difference: int = 0,
    window: int = 0,
    stride: int = 1,
    test_share: float = 0.2,
    encoding: str = "",
    separator: str = "",
) -> Measured:
    """The series in the file `path`. Raises UsageError: no such file, cells that are no numbers, several series."""
    chosen = options.OwnSeries(
        path=path,
        columns=columns,
        log=log,
        difference=difference,
        window=window,
        stride=stride,
        test_share=test_share,
        encoding=encoding,
        separator=separator,
    )
    names = [name.strip() for name in chosen.columns.split(",") if name.strip()]
    found = measured(Path(chosen.path).expanduser(), columns=names, encoding=encoding, separator=separator)
    if len(found.series) > 1:
        raise UsageError(f"series {chosen.path}: the file holds {len(found.series)} series, wanted is one")
    return Measured("series", found, chosen, split)


def _clock(name: str, found: Found, lost: int) -> Clock | None:
    """When the steps are, of which differences have lost the first; says where some are left out."""
    clock, gaps = clock_of(found.clock, found.times[lost:])
    if gaps:
        print(f"data set {name}: {gaps} steps are left out between these dates; those around count as neighbours", file=sys.stderr)
    elif clock is None and found.times and format_of(found.times[:100]):
        print(f"data set {name}: its dates do not follow each other in equal steps, and are not looked at", file=sys.stderr)
    return clock if not gaps else None


class Seasonal:
    """x_t = trend·t/period + amplitude·(sin ωt + ½ sin(2ωt + 1)) + u_t with ω = 2π/period and u_t = memory·u_{t−1} + noise·ε_t.

    u is stationary from its first step. Examples differ in u alone. Leaf `x` (steps, 1).
    """

    def __init__(self, chosen: options.Seasonal, split: str) -> None:
        self.chosen, self.split = chosen, checked(split, "seasonal")
        self.spec = DataSpec(modality="series", leaves={"x": Leaf(shape=(chosen.steps, 1))})
        t = np.arange(chosen.steps)
        angle = 2 * np.pi * t / chosen.period
        self.mean = chosen.trend * t / chosen.period + chosen.amplitude * (np.sin(angle) + 0.5 * np.sin(2 * angle + 1))

    def __len__(self) -> int:
        return LENGTHS[self.split]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`: x (n, steps, 1) float32. Nothing is drawn from `noise`."""
        about, steps = self.chosen, self.chosen.steps
        drawn = normals(uniforms(f"seasonal/{self.split}", np.asarray(indices, np.int64), steps + steps % 2)) * about.noise
        u = np.empty((len(drawn), steps))
        u[:, 0] = drawn[:, 0] / np.sqrt(1 - about.memory**2)
        for t in range(1, steps):
            u[:, t] = about.memory * u[:, t - 1] + drawn[:, t]
        return {"x": torch.from_numpy((self.mean + u).astype(np.float32)[..., None])}


def seasonal(
    split: str = "train",
    steps: int = 144,
    period: int = 12,
    trend: float = 0.2,
    amplitude: float = 1.0,
    noise: float = 0.2,
    memory: float = 0.6,
) -> Seasonal:
    """Series with a trend, seasons and a noise that remembers."""
    return Seasonal(options.Seasonal(steps=steps, period=period, trend=trend, amplitude=amplitude, noise=noise, memory=memory), split)
