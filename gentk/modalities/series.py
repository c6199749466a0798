"""Series: (T, D) float32, T steps of D channels. A leaf `length` says how many of the steps count. Lines over time, and tables."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, did_you_mean
from .arrays import save_arrays
from .base import ARRAYS, Modality, leaf
from .files import read_arrays, replacing, save_picture

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

    from ..protocols import Batch, DataSpec

CALENDAR = {"", "time", "date", "month", "year", "day", "index"}
"""Headers of a first column that counts or names the steps: it is no channel even where it holds numbers."""
APART = 12
"""Up to so many series have a panel each; more lie on top of each other."""


class Series(Modality):
    """Numbers over time."""

    name = "series"
    suffixes = (".png", ".csv", *ARRAYS)
    animated = (".gif", ".webp")
    default_suffix = ".png"

    def check(self, spec: DataSpec) -> None:
        x = spec.leaves["x"]
        if len(x.shape) != 2 or x.classes:
            raise UsageError(f"series are (steps, channels) of numbers; this leaf x is {x.shape}")

    def save(self, batch: Batch, spec: DataSpec, path: Path) -> None:
        """.png (lines), .csv (a row per step: series, time, x0, x1 …, conditions), .npz, .safetensors."""
        self.check_path(path)
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix in ARRAYS:
            save_arrays(batch, spec, path)
        elif suffix == ".csv":
            _save_table(batch, spec, path)
        else:
            save_picture(self.picture(batch, spec), path)

    def read(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """A .csv (see `read_series`), .npz or .safetensors. Of a longer series the last steps are taken."""
        last = _last(path, read_series(path), shape)
        return last[0] if len(last) == 1 else last

    def read_examples(self, path: str | Path, spec: DataSpec, *, gaps: bool = False) -> dict[str, NDArray[Any]]:
        """As `read`; where the spec has a `length`, shorter series are padded with zeros, and conditions of an .npz come along."""
        import numpy as np

        steps, channels = spec.shape
        padded = "length" in spec.leaves
        wanted = [(one, min(len(one), steps) if padded else steps) for one in read_series(path, gaps=gaps)]
        found = [_last(path, [one], (count, channels))[0] for one, count in wanted]
        x = np.stack([np.pad(one, ((0, steps - len(one)), (0, 0))) for one in found])
        told = {k: v for k, v in read_arrays(path).items() if k.startswith("cond_")} if Path(path).suffix.lower() in ARRAYS else {}
        return {**told, "x": x, **({"length": np.array([len(one) for one in found])} if padded else {})}

    def picture(self, batch: Batch, spec: DataSpec, columns: int | None = None) -> PIL.Image.Image:
        """A panel per series, all with one pair of axes, or, where there are many, all in one."""
        return _drawn(batch, columns, _span([batch]))

    def frames(self, frames: Iterable[Batch], spec: DataSpec, columns: int | None = None) -> list[PIL.Image.Image]:
        states = list(frames)
        span = _span(states)
        return [_drawn(state, columns, span) for state in states]


def counted(batch: Batch) -> list[NDArray[Any]]:
    """Each series without its padding, (length, D)."""
    x = leaf(batch)
    if "length" not in batch:
        return list(x)
    return [one[: int(length)] for one, length in zip(x, leaf(batch, "length").reshape(-1), strict=True)]


def read_series(path: str | Path, *, gaps: bool = False, columns: Sequence[str] = ()) -> list[NDArray[np.float32]]:
    """The series in a file, each (its steps, channels), of any length.

    A table has a header and a row per step. A first column of dates or of anything else that is no number is left out, every other
    column is a channel, or those called `columns`. Tables that gentk wrote say by the columns `series` and x0, x1 … what is what.
    `gaps`: an empty cell is NaN. Raises UsageError, in one line, for cells that are no numbers.
    """
    import numpy as np

    path = Path(path)
    if path.suffix.lower() in ARRAYS:
        arrays = read_arrays(path)
        if "x" not in arrays or arrays["x"].ndim not in (2, 3):
            raise UsageError(f"{path} holds no array 'x' of (steps, channels), or of several series")
        x = np.asarray(arrays["x"], np.float32)
        x = x if x.ndim == 3 else x[None]
        lengths = arrays.get("length", np.full(len(x), x.shape[1])).reshape(-1)
        found = [one[: int(length)] for one, length in zip(x, lengths, strict=True)]
    elif path.suffix.lower() == ".csv":
        found = _read_table(path, columns)
    else:
        raise UsageError(f"{path}: series are read from .csv, {' or '.join(ARRAYS)}")
    if not found or not all(len(one) for one in found):
        raise UsageError(f"{path} holds no step of a series")
    for one in found:
        wrong = np.isinf(one) if gaps else ~np.isfinite(one)
        if wrong.any():
            row, channel = (int(i[0]) for i in np.nonzero(wrong))
            raise UsageError(f"{path}: step {row} of channel {channel} is {one[row, channel] if np.isinf(one[row, channel]) else 'empty'}")
    return found


def _last(path: str | Path, found: list[NDArray[np.float32]], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The last steps of each, (n, *shape). Raises UsageError."""
    import numpy as np

    steps, channels = shape
    for one in found:
        if one.shape[1] != channels or len(one) < steps:
            raise UsageError(f"{path} holds {_many(*one.shape)}, wanted are {_many(steps, channels)}")
    return np.stack([one[len(one) - steps :] for one in found])


def _many(steps: int, channels: int) -> str:
    return f"{steps} step{'s' * (steps != 1)} of {channels} channel{'s' * (channels != 1)}"


# ---------------------------------------------------------------- tables
def _save_table(batch: Batch, spec: DataSpec, path: Path) -> None:
    import csv

    found = counted(batch)
    conditions = {key: leaf(batch, key) for key in spec.conditions if key in batch and leaf(batch, key).ndim == 1}
    several = ["series"] if len(found) > 1 else []
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*several, "time", *(f"x{i}" for i in range(leaf(batch).shape[2])), *conditions])
        for i, one in enumerate(found):
            about = [f"{values[i]:.9g}" for values in conditions.values()]
            for t, row in enumerate(one):
                cells = ["" if math.isnan(value) else f"{value:.9g}" for value in row]
                writer.writerow([*([i] if several else []), t, *cells, *about])


def _read_table(path: Path, columns: Sequence[str]) -> list[NDArray[np.float32]]:
    import csv

    import numpy as np

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            head, *rows = [row for row in csv.reader(file) if row] or [[]]
    except FileNotFoundError:
        raise UsageError(f"no file {path}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no readable table") from error
    if ragged := [i for i, row in enumerate(rows, 2) if len(row) != len(head)]:
        raise UsageError(f"{path}: line {ragged[0]} has {len(rows[ragged[0] - 2])} cells, the header has {len(head)}")
    head = [name.strip() for name in head]
    if head and rows and all(_is_number(name) for name in head):
        raise UsageError(f"{path}: the first line holds numbers, wanted is a header")
    chosen = _channels(path, head, rows, columns)
    values = np.array([[_number(path, head[j], i, row[j]) for j in chosen] for i, row in enumerate(rows, 2)], np.float32)
    values = values.reshape(len(rows), len(chosen))
    if "series" not in head or not rows:
        return [values]
    owners = [row[head.index("series")] for row in rows]
    return [values[[owner == one for owner in owners]] for one in dict.fromkeys(owners)]


def _channels(path: Path, head: list[str], rows: list[list[str]], columns: Sequence[str]) -> list[int]:
    """Which columns are channels."""
    for name in columns:
        if name not in head:
            raise UsageError(f"{path} has no column '{name}'{did_you_mean(name, head)}")
    if columns:
        return [head.index(name) for name in columns]
    own = [j for j, name in enumerate(head) if re.fullmatch(r"x\d+", name)]
    if own:
        return own
    first = bool(head) and (head[0].lower() in CALENDAR or (bool(rows) and not any(_is_number(row[0]) for row in rows)))
    found = [j for j in range(len(head)) if j >= first]
    if not found:
        raise UsageError(f"{path} has no column of numbers")
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(path: Path, column: str, line: int, cell: str) -> float:
    if not cell.strip():
        return math.nan
    try:
        return float(cell)
    except ValueError:
        raise UsageError(f"{path}: line {line}, column '{column}': '{cell[:30]}' is no number") from None


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


def _drawn(batch: Batch, columns: int | None, span: Span) -> PIL.Image.Image:
    from ..plots.style import WIDE, calm, drawn, sheet

    found = counted(batch)
    if not found:
        raise UsageError("there is no series to picture")
    steps, low, high = span
    apart = len(found) <= APART
    panels = len(found) if apart else 1
    columns = min(columns or (1 if panels < 4 else 2 if panels < 9 else 3), panels)
    rows = math.ceil(panels / columns)
    made = sheet(WIDE, max(1.5 * rows + 0.5, 3.2))
    places = [made.add_subplot(rows, columns, i + 1) for i in range(panels)]
    for i, axes in enumerate(places):
        calm(axes)
        axes.set(xlim=(-0.02 * steps, 1.02 * steps), ylim=(low, high))
        axes.tick_params(labelbottom=i + columns >= panels, labelleft=i % columns == 0)
    labels = leaf(batch, "label").reshape(-1) if "label" in batch else None
    lines = [
        (i, one[:, channel], _colour(channel, None if labels is None else int(labels[i])))
        for i, one in enumerate(found)
        for channel in range(one.shape[1])
    ]
    if apart:
        for i, line, colour in lines:
            places[i].plot(line, linewidth=1.1, color=colour)
    else:
        _together(places[0], lines, alpha=max(0.12, 1.5 / math.sqrt(len(found))))
    return drawn(made)


def _together(axes: Any, lines: Sequence[tuple[int, NDArray[Any], str]], alpha: float) -> None:
    """All in one pair of axes, as one thing to draw: matplotlib takes a millisecond for each line that is drawn by itself."""
    import numpy as np
    from matplotlib.collections import LineCollection

    points = [np.column_stack([np.arange(len(line)), line]) for _, line, _ in lines]
    axes.add_collection(LineCollection(points, colors=[colour for *_, colour in lines], linewidth=0.7, alpha=alpha), autolim=False)


def _colour(channel: int, label: int | None) -> str:
    """Classes, where there are any, have the colours; else channels have."""
    from .points import CLASSES

    return CLASSES[(channel if label is None else label) % len(CLASSES)]
