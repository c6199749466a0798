"""What every picture shares: a figure without a window, calm axes, and how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import save_picture

if TYPE_CHECKING:
    import PIL.Image
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from .protocols import Clock

INK, RULE, PALE = "#1f2937", "#e5e7eb", "#6b7280"
ONE = "#2b5c8a"
"""The colour of points that have no class."""
CLASSES = ("#2b5c8a", "#d1662c", "#3c8d5a", "#b8434e", "#7a5aa6", "#8a6d3b", "#c7679f", "#5f6b7a", "#a0a02c", "#2fa3b5")
BRIGHT = ("#6aa6dc", "#e8935f", "#6cbf8b", "#e57f89", "#ac90d6", "#c2a36b", "#e39cc4", "#9aa7b7", "#c9c95c", "#63cfdd")
"""The same colours where the ground is dark."""
NIGHT = "#12161c"
"""The dark ground."""
Limits = tuple[tuple[float, float], tuple[float, float]]
DPI = 110
WIDE = 9.0  # inches of a picture that fills a page: 990 pixels, so that its letters can still be read at 900
SUFFIXES = (".png", ".webp", ".gif")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))


def line(i: int) -> dict[str, Any]:
    """How curve i is drawn. Each differs in its dashes from the one before, so that curves that coincide are both seen."""
    return {"color": CLASSES[i % len(CLASSES)], "linestyle": DASHES[i % len(DASHES)]}


def sheet(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(made)
    return made


def figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Any]]:
    """A figure and its axes, side by side."""
    made = sheet(width, height)
    axes = [made.add_subplot(1, columns, i + 1) for i in range(columns)]
    for one in axes:
        calm(one)
    return made, axes


def calm(axes: Any) -> None:
    axes.tick_params(labelsize=8, colors=PALE, length=0)
    axes.grid(color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_color(RULE)


def named(axes: Any, title: str = "", x: str = "", y: str = "") -> None:
    axes.set_title(literal(title), fontsize=9, color=INK, linespacing=1.3)
    axes.set_xlabel(literal(x), fontsize=9, color=PALE)
    axes.set_ylabel(literal(y), fontsize=9, color=PALE)


def dated(axes: Any) -> None:
    """Ticks of an axis of times: as many dates as there is room for, each said once."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    where = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(where)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(where))  # type: ignore[no-untyped-call]
    axes.xaxis.get_offset_text().set(size=8, color=PALE)


def moments(clock: Clock | None, start: int, count: int) -> list[Any] | None:
    """The times of steps `start` … as a picture takes them; None without a clock, of steps that nobody numbered, and beyond all dates."""
    from .dates import moment_of

    found = [moment_of(clock, start + t) for t in range(count)] if clock and start >= 0 else []
    return found if found and None not in found else None


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


def legend(axes: Any, **where: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, labelcolor=INK, **where)


def dark(figure: Figure) -> Figure:
    """The figure, with its colours exchanged for those that can be seen on a dark ground. Colours that are not the house's stay."""
    from matplotlib.collections import PathCollection
    from matplotlib.colors import to_hex, to_rgba, to_rgba_array
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    exchanged = dict(zip((INK, RULE, PALE, "#ffffff", "#000000", *CLASSES), ("#e5e7eb", "#374151", "#9ca3af", NIGHT, "#e5e7eb", *BRIGHT),
                         strict=True))  # fmt: skip

    def one(colour: Any) -> Any:
        rgba = to_rgba(colour)
        return (*to_rgba(exchanged.get(to_hex(rgba), rgba))[:3], rgba[3])

    figure.canvas.draw()  # ticks are made when they are drawn
    for artist in figure.findobj():
        if isinstance(artist, Text):
            artist.set_color(one(artist.get_color()))
        elif isinstance(artist, Line2D):
            edge, face = artist.get_markeredgecolor(), artist.get_markerfacecolor()
            artist.set(color=one(artist.get_color()), markeredgecolor=one(edge), markerfacecolor=one(face))
        elif isinstance(artist, Patch):
            artist.set(facecolor=one(artist.get_facecolor()), edgecolor=one(artist.get_edgecolor()))
        elif isinstance(artist, PathCollection):
            artist.set_facecolor([one(colour) for colour in to_rgba_array(artist.get_facecolor())])
    return figure


def drawn(figure: Figure) -> PIL.Image.Image:
    """The figure as a picture."""
    import numpy as np
    from PIL import Image

    figure.canvas.draw()
    return Image.fromarray(np.array(figure.canvas.buffer_rgba())).convert("RGB")  # type: ignore[attr-defined]


def save(picture: PIL.Image.Image | Figure, path: Path) -> None:
    save_picture(picture if hasattr(picture, "getpixel") else drawn(picture), path)  # type: ignore[arg-type]


def beside(pictures: Sequence[PIL.Image.Image], titles: Sequence[str], gap: int = 4) -> PIL.Image.Image:
    """Pictures in one row, each below its title."""
    from PIL import Image

    band = 40 if any("\n" in title for title in titles) else 24
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    made = Image.new("RGB", (width, max(p.height for p in pictures) + band), "white")
    made.paste(_heads(titles, [p.width for p in pictures], band, gap), (0, 0))
    left = 0
    for picture in pictures:
        made.paste(picture, (left, band))
        left += picture.width + gap
    return made


def _heads(titles: Sequence[str], widths: Sequence[int], band: int, gap: int) -> PIL.Image.Image:
    """The row of titles, each over the middle of its picture, in letters as large as the narrowest column lets them be."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    total = sum(widths) + gap * (len(widths) - 1)
    letters = max(len(row) for title in titles for row in title.split("\n"))
    size = min(8.0, 1.15 * min(widths) / max(letters, 1))  # in points of 1/72 inch; a letter is about 0.6 of its size wide
    made = Figure(figsize=(total / 100, band / 100), dpi=100)
    FigureCanvasAgg(made)
    left = 0
    for title, width in zip(titles, widths, strict=True):
        made.text((left + width / 2) / total, 0.5, title, ha="center", va="center", fontsize=size, color=INK, linespacing=1.3)
        left += width + gap
    return drawn(made).resize((total, band))


def literal(text: str) -> str:
    """Text as it is: what a file calls a column or a class is no formula, however many dollars it has."""
    return text.replace("$", r"\$")
