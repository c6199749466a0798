"""Which colour stands for which class, and the legend that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .style import CLASSES, INK, literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from .protocols import Leaf

MOST = 20
"""Classes that a legend names; of more, the first so many."""
LONGEST = 28
"""Letters of a name in a legend."""


@dataclass(frozen=True)
class Key:
    """Name and colour of each class that occurs, by its number."""

    entries: dict[int, tuple[str, Any]]

    def of(self, labels: NDArray[Any] | None, otherwise: Any) -> Any:
        """The colour of each example, or the one of all where there are no classes."""
        return otherwise if labels is None else [self.entries[int(label)][1] for label in labels]

    def handles(self) -> list[Any]:
        """A dot and a name for each class."""
        shown = list(self.entries.values())
        dots = [dot(name, colour) for name, colour in shown[:MOST]]
        return dots + ([dot(f"… {len(shown) - MOST} more", "none")] if len(shown) > MOST else [])

    def pixels(self, size: float, dpi: int) -> int:
        """How wide a legend beside a picture is, in letters of `size` points; 0 where there is none."""
        longest = max((len(name) for name, _ in self.entries.values()), default=0)
        return round((3.5 + 0.62 * max(longest, 8)) * size * dpi / 72) if self.entries else 0

    def beside(self, figure: Figure, left: float, size: float, title: str = "") -> None:
        """The legend, from `left` (a share of the width) on, in the middle of the height."""
        if self.entries:
            made = figure.legend(
                handles=self.handles(), loc="center left", bbox_to_anchor=(left, 0.5), frameon=False, fontsize=size, labelcolor=INK,
                handletextpad=0.1, title=literal(title), title_fontsize=size, borderaxespad=0.2,
            )  # fmt: skip
            made.get_title().set_color(INK)


def dot(name: str, colour: Any) -> Any:
    """An entry of a legend, as large whatever the dots in the picture are."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, marker="o", markersize=4.5, linestyle="", label=literal(name))


def classes(labels: NDArray[Any] | None, about: Leaf | None) -> Key:
    """The key of the classes that occur in `labels`; `about`: their condition, which knows their names."""
    found = [] if labels is None else sorted({int(label) for label in labels})
    of = max(about.classes if about else 0, len(found))
    return Key({k: (shortened(name(k, about)), colour(k, of)) for k in found})


def name(k: int, about: Leaf | None) -> str:
    """What the data call class k; its number where they call it nothing, "none" for the class of those that have none."""
    if about and k < len(about.names):
        return about.names[k]
    return "none" if about and about.classes and k >= about.classes else f"class {k}"


def column_of(about: Leaf | None) -> str:
    """What the classes are classes of, where the data say it: "species"."""
    return about.columns[0].name if about and about.columns else ""


def shortened(text: str) -> str:
    """A name that a legend has room for."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def colour(k: int, of: int) -> Any:
    """That of class k; of more than there are colours for, one along a circle of hues."""
    if of <= len(CLASSES):
        return CLASSES[k % len(CLASSES)]
    from matplotlib import colormaps

    return colormaps["hsv"](k / of)
