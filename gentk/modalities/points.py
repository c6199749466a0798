"""Points: (d,) float32. A scatter picture of the first two coordinates, a table of them all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..protocols import DataSpec, Leaf
from .arrays import read_x, save_arrays
from .base import ARRAYS, Modality, leaf
from .files import save_picture
from .rows import TEXT, read_rows, save_rows

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

    from ..protocols import Batch


Limits = tuple[tuple[float, float], tuple[float, float]]
PIXELS, DPI = 640, 160
INK, RULE, PALE = "#1f2937", "#e5e7eb", "#6b7280"
ONE = "#2b5c8a"
"""The colour of points that have no class."""
CLASSES = ("#2b5c8a", "#d1662c", "#3c8d5a", "#b8434e", "#7a5aa6", "#8a6d3b", "#c7679f", "#5f6b7a", "#a0a02c", "#2fa3b5")


class Points(Modality):
    """Points in space, coloured by the condition `label` where they have one."""

    name = "points"
    suffixes = (".png", *TEXT, *ARRAYS)
    animated = (".gif", ".webp")
    default_suffix = ".png"

    def check(self, spec: DataSpec) -> None:
        if len(spec.shape) != 1 or spec.leaves["x"].classes:
            raise UsageError(f"points are vectors of numbers, (d,); this leaf x is {spec.shape}")

    def save(self, batch: Batch, spec: DataSpec, path: Path) -> None:
        """.png (scatter), .csv or .tsv (a row each: x0, x1 …, conditions), .npz, .safetensors."""
        self.check_path(path)
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix in ARRAYS:
            save_arrays(batch, spec, path)
        elif suffix in TEXT:
            save_rows(batch, spec, path)
        else:
            save_picture(self.picture(batch, spec), path)

    def read(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """A table of text with a header (the columns x0, x1 …; an empty cell is NaN), .npz, .safetensors."""
        path = Path(path)
        if path.suffix.lower() in ARRAYS:
            return read_x(path, shape).astype("float32")
        found: NDArray[np.float32] = read_rows(path, DataSpec(modality=self.name, leaves={"x": Leaf(shape=shape)}), gaps=True)["x"]
        return found

    def read_examples(self, path: str | Path, spec: DataSpec, *, gaps: bool = False) -> dict[str, NDArray[Any]]:
        """As every modality; of a table of text with the conditions that it has columns of."""
        path = Path(path)
        if path.suffix.lower() in ARRAYS:
            return super().read_examples(path, spec, gaps=gaps)
        return read_rows(path, spec, gaps=gaps, partial=gaps)

    def picture(self, batch: Batch, spec: DataSpec, columns: int | None = None) -> PIL.Image.Image:
        """A square scatter of the first two coordinates with equal axes, or a histogram of the only one. Classes by name, beside it."""
        return _scatter(batch, spec, limits([leaf(batch)]))

    def frames(self, frames: Iterable[Batch], spec: DataSpec, columns: int | None = None) -> list[PIL.Image.Image]:
        """Pictures that share their axes."""
        states = list(frames)
        span = limits([leaf(state) for state in states])
        return [_scatter(state, spec, span) for state in states]


def limits(states: list[NDArray[Any]], *, equal: bool = True) -> Limits:
    """A square around nearly all points: a few far outliers shall not shrink the rest to a dot. `equal`: whose sides are as long as each
    other in the points' units, else each as long as it must be, for numbers of different units."""
    import numpy as np

    if not states or not states[0].size:
        return (-1, 1), (-1, 1)
    ends = []
    for x in states:
        plane = x[:, :2] if x.shape[1] > 1 else np.repeat(x, 2, 1)
        ends.append(np.quantile(np.nan_to_num(plane), [0.002, 0.998], axis=0))
    low, high = np.min([e[0] for e in ends], 0), np.max([e[1] for e in ends], 0)
    centre, half = (low + high) / 2, np.maximum((high - low) * 0.56, 1e-3 if equal else 1e-9 + 1e-3 * np.abs(high))
    half = np.full(2, half.max()) if equal else half
    return (float(centre[0] - half[0]), float(centre[0] + half[0])), (float(centre[1] - half[1]), float(centre[1] + half[1]))


def _scatter(batch: Batch, spec: DataSpec, span: Limits) -> PIL.Image.Image:
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image as Pillow

    from ..columns import named
    from ..plots.keys import classes, column_of, literal

    x, labels = leaf(batch), leaf(batch, "label").reshape(-1) if "label" in batch else None
    key = classes(labels, spec.conditions.get("label"))
    beside = key.pixels(6.5, DPI)
    figure = Figure(figsize=((PIXELS + beside) / DPI, PIXELS / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    told = x.shape[1] > 2 or bool(spec.leaves["x"].columns)  # of two coordinates nobody asks which
    left, low = (0.125, 0.105) if told else (0.09, 0.07)
    across = PIXELS / (PIXELS + beside)
    axes = figure.add_axes((left * across, low, (0.975 - left) * across, 0.955 - low))
    axes.tick_params(labelsize=6, colors=PALE, length=0, pad=3)
    axes.set(xlim=span[0])
    for side in axes.spines.values():
        side.set_color(RULE)
    names = [literal(column.name) for column in named(spec.leaves["x"])] if told else ["", ""]
    axes.set_xlabel(names[0], fontsize=7, color=PALE)
    if x.shape[1] < 2:
        axes.hist(x[:, 0], bins=np.linspace(*span[0], 81).tolist(), color=ONE)
    else:
        axes.set_ylabel(names[1], fontsize=7, color=PALE)
        axes.set(ylim=span[1], aspect="equal")
        axes.grid(color=RULE, linewidth=0.5)
        axes.set_axisbelow(True)
        n = max(len(x), 1)
        size, alpha = float(np.clip(9000 / n, 1.2, 22)), float(np.clip(30 / np.sqrt(n), 0.15, 0.85))
        axes.scatter(x[:, 0], x[:, 1], s=size, c=key.of(labels, ONE), alpha=alpha, linewidths=0)
        key.beside(figure, (PIXELS - 4) / (PIXELS + beside), 6.5, column_of(spec.conditions.get("label")))
    canvas.draw()  # type: ignore[no-untyped-call]
    drawn = np.array(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return Pillow.fromarray(drawn).convert("RGB")
