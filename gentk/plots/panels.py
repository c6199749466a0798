"""Clouds of points side by side, one panel per state, all with one pair of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..legends import classes
from ..style import INK, ONE, WIDE, Limits, calm, limits, named, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ..protocols import Leaf

PER_ROW = 4  # at the width of a page, numbers on the axes of more could not be read


def layout(n: int, most: int = PER_ROW) -> tuple[int, int]:
    """(rows, columns) of n panels: no more rows than needed, and these as even as they get."""
    rows = math.ceil(n / most)
    return rows, math.ceil(n / rows)


def panels(
    states: Sequence[NDArray[Any]],
    titles: Sequence[str],
    labels: NDArray[Any] | Sequence[NDArray[Any] | None] | None = None,
    about: Leaf | None = None,
    *,
    names: Sequence[str] = ("", ""),
    equal: bool = True,
) -> Figure:
    """Each state (n, d): a scatter of its first two coordinates, or a histogram of its only one. To be read row by row.

    `labels`: of all states, or a list with those of each; `about`: what they are labels of, for the legend; `names` of the axes; `equal`:
    whether both have one unit."""
    import numpy as np

    each: list[Any] = labels if isinstance(labels, list) else [labels] * len(states)
    known = [one for one in each if one is not None]
    rows, columns = layout(len(states))
    side = WIDE / PER_ROW
    key = classes(np.concatenate(known) if known else None, about)
    lines = 1 + max((title.count("\n") for title in titles), default=0)
    made = sheet(side * max(columns, 2), (side + 0.17 * lines) * rows + 0.35 * bool(key.entries) + 0.2 * any(names) + 0.1)
    span = limits(list(states), equal=equal)
    for i, (x, title) in enumerate(zip(states, titles, strict=True)):
        axes = made.add_subplot(rows, columns, i + 1)
        panel(axes, x, key.of(each[i], ONE), span)
        if x.shape[1] > 1:
            axes.tick_params(labelleft=i % columns == 0)  # all have the same numbers
        lowest = i + columns >= len(states)
        axes.tick_params(labelbottom=lowest)
        named(axes, title, names[0] if lowest else "", names[1] if i % columns == 0 and x.shape[1] > 1 else "")
    if key.entries and states[0].shape[1] > 1:
        handles = key.handles()
        made.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), frameon=False, fontsize=8, labelcolor=INK)
    return made


def panel(axes: Any, x: NDArray[Any], colours: Any, span: Limits) -> None:
    """One state (n, d) within these limits: a scatter of its first two coordinates, or a histogram of its only one."""
    import numpy as np

    calm(axes)
    axes.set(xlim=span[0], box_aspect=1)
    if x.shape[1] < 2:
        axes.hist(x[:, 0], bins=np.linspace(*span[0], 61).tolist(), color=ONE)
        axes.set_yticks([])
        return
    n = max(len(x), 1)
    size, alpha = float(np.clip(2000 / n, 1.0, 16)), float(np.clip(25 / math.sqrt(n), 0.2, 0.9))
    axes.set(ylim=span[1])
    axes.scatter(x[:, 0], x[:, 1], s=size, c=colours, alpha=alpha, linewidths=0)
