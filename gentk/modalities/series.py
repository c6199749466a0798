"""Series: (T, D) float32, T steps of D channels. A leaf `length` says how many of the steps count. Lines over time, and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..files import read_arrays, save_picture
from ..style import CLASSES, INK, PALE
from .arrays import save_arrays
from .base import ARRAYS, Modality, leaf
from .rows import TEXT
from .steps import counted, last_steps, measured, read_series, save_steps

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

    from ..protocols import Batch, DataSpec

APART = 12
"""Up to so many series have a panel each; more lie on top of each other."""


__all__ = ["APART", "Series", "counted", "read_series"]


class Series(Modality):
    """Numbers over time."""

    name = "series"
    suffixes = (".png", *TEXT, *ARRAYS)
    animated = (".gif", ".webp")
    default_suffix = ".png"

    def check(self, spec: DataSpec) -> None:
        x = spec.leaves["x"]
        if len(x.shape) != 2 or x.classes:
            raise UsageError(f"series are (steps, channels) of numbers; this leaf x is {x.shape}")

    def save(self, batch: Batch, spec: DataSpec, path: Path) -> None:
        """.png (lines), .csv or .tsv (a row per step: series, time, channels, conditions), .npz, .safetensors."""
        self.check_path(path)
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix in ARRAYS:
            save_arrays(batch, spec, path)
        elif suffix in TEXT:
            save_steps(batch, spec, path)
        else:
            save_picture(self.picture(batch, spec), path)

    def read(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """A table of text (see `read_series`), .npz or .safetensors. Of a longer series the last steps are taken."""
        last = last_steps(path, read_series(path), shape)
        return last[0] if len(last) == 1 else last

    def read_examples(self, path: str | Path, spec: DataSpec, *, gaps: bool = False) -> dict[str, NDArray[Any]]:
        """As `read`, channels by their names where the spec has names; where it has a `length`, shorter series are padded with zeros. The
        conditions that the file tells come along."""
        import numpy as np

        steps, channels = spec.shape
        leaf, padded = spec.leaves["x"], "length" in spec.leaves
        read = measured(path, gaps=gaps, spec=spec)
        wanted = [(one, min(len(one), steps) if padded else steps) for one in read.series]
        found = [last_steps(path, [one], (count, channels))[0] for one, count in wanted]
        x = np.stack([np.pad(one, ((0, steps - len(one)), (0, 0))) for one in found])
        told = {f"cond_{key}": values for key, values in read.conditions.items()}
        if Path(path).suffix.lower() in ARRAYS:
            told = {k: v for k, v in read_arrays(path).items() if k.startswith("cond_")}
        lengths = {"length": np.array([len(one) for one in found])} if padded else {}
        return {**told, "x": x if leaf.double else x.astype(np.float32), **lengths}

    def picture(self, batch: Batch, spec: DataSpec, columns: int | None = None) -> PIL.Image.Image:
        """A panel per series, all with one pair of axes, or, where there are many, all in one. Over dates, where the data have them."""
        return _drawn(batch, spec, columns, _span([batch]))

    def frames(self, frames: Iterable[Batch], spec: DataSpec, columns: int | None = None) -> list[PIL.Image.Image]:
        states = list(frames)
        span = _span(states)
        return [_drawn(state, spec, columns, span) for state in states]


# ---------------------------------------------------------------- pictures
Span = tuple[int, float, float]
"""How many steps there are, and the lowest and the highest value that the axes show."""


def _span(states: Sequence[Batch]) -> Span:
    import numpy as np

    series = [one for state in states for one in counted(state)]
    values = np.concatenate([one.ravel() for one in series]) if series else np.zeros(1)
    values = values[np.isfinite(values)]
    if not values.size:
        return max(map(len, series), default=1), -1.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    return max(map(len, series)), low - margin, high + margin


def _drawn(batch: Batch, spec: DataSpec, columns: int | None, span: Span) -> PIL.Image.Image:
    from ..legends import classes
    from ..style import DASHES, WIDE, calm, dated, drawn, sheet

    found = counted(batch)
    if not found:
        raise UsageError("there is no series to picture")
    steps, low, high = span
    apart = len(found) <= APART
    panels = len(found) if apart else 1
    columns = min(columns or (1 if panels < 4 else 2 if panels < 9 else 3), panels)
    rows = math.ceil(panels / columns)
    labels = leaf(batch, "label").reshape(-1) if "label" in batch else None
    key = classes(labels, spec.conditions.get("label"))
    times, unit = _times(batch, spec, steps)
    handles = [*key.handles(), *_channels(spec, found[0].shape[1], bool(key.entries))]
    made = sheet(WIDE, max(1.5 * rows + 0.5, 3.2) + 0.3 * bool(handles) + 0.2)
    places = [made.add_subplot(rows, columns, i + 1) for i in range(panels)]
    for i, axes in enumerate(places):
        calm(axes)
        left, right = times[0], times[-1]
        margin = 0.02 * (right - left)
        axes.set(xlim=(left - margin, right + margin) if steps > 1 else (-0.02 * steps, 1.02 * steps), ylim=(low, high))
        axes.tick_params(labelbottom=i + columns >= panels, labelleft=i % columns == 0)
        if i + columns >= panels:
            axes.set_xlabel(unit, fontsize=8, color=PALE)
    lines = [
        (i, times[: len(one)], one[:, channel], key.entries[int(labels[i])][1] if labels is not None else CLASSES[channel % len(CLASSES)],
         DASHES[channel % len(DASHES)] if labels is not None else "-")
        for i, one in enumerate(found)
        for channel in range(one.shape[1])
    ]  # fmt: skip
    if apart:
        for i, when, line, colour, dashes in lines:
            places[i].plot(when, line, linewidth=1.1, color=colour, linestyle=dashes)
    else:
        _together(places[0], lines, alpha=max(0.12, 1.5 / math.sqrt(len(found))))
    if unit != "step":
        for axes in places:
            dated(axes)
    if handles:
        made.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), frameon=False, fontsize=8, labelcolor=INK)
    return drawn(made)


def _times(batch: Batch, spec: DataSpec, steps: int) -> tuple[Any, str]:
    """Where the steps stand, as numbers of an axis, and what that is called: dates, where all series begin at one of them."""
    import numpy as np
    from matplotlib.dates import date2num

    from ..style import moments

    starts = set(leaf(batch, "time").reshape(-1).tolist()) if "time" in batch else {0}
    clock = spec.leaves["x"].clock
    found = moments(clock, int(starts.pop()), steps) if clock and len(starts) == 1 else None
    return (date2num(found), clock.name or "time") if clock and found else (np.arange(steps), "step")  # type: ignore[no-untyped-call]


def _channels(spec: DataSpec, count: int, classed: bool) -> list[Any]:
    """The legend of channels that have names, or of several: by colour, or by dashes where classes have the colours."""
    from matplotlib.lines import Line2D

    from ..columns import named
    from ..legends import MOST, shortened
    from ..style import DASHES, literal

    columns = named(spec.leaves["x"])[: min(count, MOST)]
    if len(columns) < 2 and not spec.leaves["x"].columns:
        return []
    each = range(len(columns))
    looks: list[tuple[str, Any]] = [(INK, DASHES[c % len(DASHES)]) if classed else (CLASSES[c % len(CLASSES)], "-") for c in each]
    return [
        Line2D([], [], color=colour, linestyle=dashes, label=literal(shortened(column.name)))
        for column, (colour, dashes) in zip(columns, looks, strict=True)
    ]


def _together(axes: Any, lines: Sequence[tuple[int, Any, NDArray[Any], Any, Any]], alpha: float) -> None:
    """All in one pair of axes, as one thing to draw: matplotlib takes a millisecond for each line that is drawn by itself."""
    import numpy as np
    from matplotlib.collections import LineCollection

    points = [np.column_stack([when, line]) for _, when, line, _, _ in lines]
    colours, dashes = [colour for *_, colour, _ in lines], [look for *_, look in lines]
    axes.add_collection(LineCollection(points, colors=colours, linestyles=dashes, linewidth=0.7, alpha=alpha), autolim=False)
