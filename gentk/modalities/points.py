"""Points: (d,) float32. A scatter picture of the first two coordinates, a table of them all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..files import save_picture
from ..protocols import DataSpec, Leaf
from ..style import ONE, PALE, RULE, Limits, limits, literal
from .arrays import read_x, save_arrays
from .base import ARRAYS, Modality, leaf
from .rows import TEXT, read_rows, save_rows

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

    from ..protocols import Batch


PIXELS, DPI = 640, 160


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


def _scatter(batch: Batch, spec: DataSpec, span: Limits) -> PIL.Image.Image:
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image as Pillow

    from ..columns import named
    from ..legends import classes, column_of

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
