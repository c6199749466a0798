"""The scores of a comparison as multiples of the floor, for wide and small, light and dark screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..evaluation.comparing import Comparison
from ..plots.ratios import LETTERS, Dot, cut, ratios
from ..style import WIDE, dark, drawn
from ..text import one_line
from .looks import FINE
from .table import ARROW, apart, columns_of, rows_of

if TYPE_CHECKING:
    import PIL.Image
    from matplotlib.figure import Figure

NARROW = 3.4  # inches of a picture for a small screen

class Chart(NamedTuple):
    """The dots of all scores that have a multiple of the floor; `alt`, in words."""

    wide: PIL.Image.Image
    wide_night: PIL.Image.Image
    narrow: PIL.Image.Image
    narrow_night: PIL.Image.Image
    alt: str


def chart(found: Comparison) -> Chart | None:
    """None where no score has a multiple of the floor."""
    metrics, models, dots = dots_of(found)
    if not dots:
        return None
    made = [_fine(ratios(metrics, models, dots, width), night) for width in (WIDE, NARROW) for night in (False, True)]
    told = [f"{metric}: " + ", ".join(f"{model} {dots[metric, model].ratio:.3g}" for model in models if (metric, model) in dots)
            for metric in metrics]  # fmt: skip
    return Chart(made[0], made[1], made[2], made[3], f"Scores as multiples of the floor. {'; '.join(told)}.")


def _fine(figure: Figure, night: bool) -> PIL.Image.Image:
    figure.set_dpi(FINE)
    return drawn(dark(figure) if night else figure)


def dots_of(found: Comparison) -> tuple[list[str], list[str], dict[tuple[str, str], Dot]]:
    """Metrics (with the direction that is good), models, and a dot for each pair that has a multiple of the floor."""
    rows = rows_of(found)
    models = apart([cut(row.name) for row in rows])
    dots, metrics = {}, []
    for j, column in enumerate(columns_of(found)):
        name = f"{one_line(column.name, LETTERS)} {ARROW[column.better]}"
        for model, row in zip(models, rows, strict=True):
            cell = row.cells[j]
            if cell.ratio is not None and cell.score is not None and cell.score.floor:
                dots[name, model] = Dot(cell.ratio, (cell.score.error or 0.0) / cell.score.floor)
        metrics += [name] if any(metric == name for metric, _ in dots) else []
    return metrics, models, dots
