"""What every picture shares: a figure without a window, calm axes, and how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..modalities.files import save_picture
from ..modalities.points import INK, PALE, RULE

if TYPE_CHECKING:
    import PIL.Image
    from matplotlib.figure import Figure

DPI = 110
SUFFIXES = (".png", ".webp", ".gif")


def figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Any]]:
    """A figure of so many inches and its axes, side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(made)
    axes = [made.add_subplot(1, columns, i + 1) for i in range(columns)]
    for one in axes:
        one.tick_params(labelsize=8, colors=PALE, length=0)
        one.grid(color=RULE, linewidth=0.6)
        one.set_axisbelow(True)
        for side in one.spines.values():
            side.set_color(RULE)
    return made, axes


def named(axes: Any, title: str = "", x: str = "", y: str = "") -> None:
    axes.set_title(title, fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=9, color=PALE)
    axes.set_ylabel(y, fontsize=9, color=PALE)


def legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, labelcolor=INK)


def drawn(figure: Figure) -> PIL.Image.Image:
    """The figure as a picture."""
    import numpy as np
    from PIL import Image

    figure.canvas.draw()
    return Image.fromarray(np.array(figure.canvas.buffer_rgba())).convert("RGB")  # type: ignore[attr-defined]


def save(picture: PIL.Image.Image | Figure, path: Path) -> None:
    save_picture(picture if hasattr(picture, "getpixel") else drawn(picture), path)  # type: ignore[arg-type]


def beside(pictures: Sequence[PIL.Image.Image], titles: Sequence[str], gap: int = 6) -> PIL.Image.Image:
    """Pictures in one row, each below its title."""
    from PIL import Image

    band = 40 if any("\n" in title for title in titles) else 24
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, max(p.height for p in pictures) + band), "white")
    heads, _ = _heads(titles, [p.width for p in pictures], band, gap)
    sheet.paste(heads, (0, 0))
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, band))
        left += picture.width + gap
    return sheet


def _heads(titles: Sequence[str], widths: Sequence[int], band: int, gap: int) -> tuple[PIL.Image.Image, Any]:
    """The row of titles, each over the middle of its picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    total = sum(widths) + gap * (len(widths) - 1)
    made = Figure(figsize=(total / 100, band / 100), dpi=100)
    FigureCanvasAgg(made)
    left = 0
    for title, width in zip(titles, widths, strict=True):
        made.text((left + width / 2) / total, 0.5, title, ha="center", va="center", fontsize=8, color=INK, linespacing=1.3)
        left += width + gap
    return drawn(made).resize((total, band)), made
