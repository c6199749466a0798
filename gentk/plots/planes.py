"""Pictures in the plane: paths of single points, two clouds in one picture, densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import legends
from ..style import CLASSES, INK, ONE, PALE, WIDE, Limits, calm, figure, limits, literal, named, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ..protocols import Leaf

REAL, MADE = "#9aa3b2", CLASSES[1]


def _plane(title: str, span: Limits, width: float = 5.8, names: Sequence[str] = ("", "")) -> tuple[Figure, Any]:
    """A square pair of axes, in which a unit is as long upwards as to the right, unless the limits are of different lengths."""
    made, (axes,) = figure(width, 5.8)
    axes.set(xlim=span[0], ylim=span[1], **shape(span))
    named(axes, title, *names)
    return made, axes


def shape(span: Limits) -> dict[str, Any]:
    """What keeps axes with these limits square."""
    (left, right), (low, high) = span
    return {"aspect": "equal"} if abs((right - left) - (high - low)) < 1e-9 * (right - left) else {"aspect": "auto", "box_aspect": 1}


def around(cloud: NDArray[Any], states: NDArray[Any], *, equal: bool = True) -> Limits:
    """Limits for nearly all of the cloud and the whole of every path: a line must not leave the picture."""
    import numpy as np

    corners = states.reshape(-1, 2)
    return limits([cloud, np.stack([corners.min(0), corners.max(0)])], equal=equal)


def paths(states: NDArray[Any], cloud: NDArray[Any], title: str = "", names: Sequence[str] = ("", ""), *, equal: bool = True) -> Figure:
    """states (T, n, 2): the way of n points, from a ring where it begins to a dot where it ends, over a faint cloud."""
    made, axes = _plane(title, around(cloud, states, equal=equal), 5.8, names)
    axes.scatter(cloud[:, 0], cloud[:, 1], s=3, color=REAL, alpha=0.35, linewidths=0)
    for i in range(states.shape[1]):
        axes.plot(states[:, i, 0], states[:, i, 1], color=ONE, linewidth=0.8, alpha=0.55)
    axes.scatter(states[0, :, 0], states[0, :, 1], s=16, facecolors="none", edgecolors=INK, linewidths=0.8, label="begins", zorder=3)
    axes.scatter(states[-1, :, 0], states[-1, :, 1], s=16, color=MADE, linewidths=0, label="ends", zorder=4)
    below(made, axes.get_legend_handles_labels()[0], markerscale=1.2)
    return made


def below(made: Figure, handles: Sequence[Any], **about: Any) -> None:
    """The legend below the panels: inside one it would lie on points."""
    about = {"ncols": min(len(handles), 5), "fontsize": 9, **about}
    made.legend(handles=handles, loc="outside lower center", frameon=False, labelcolor=INK, handletextpad=0.4, **about)


Classed = tuple["NDArray[Any]", "NDArray[Any] | None", "Leaf"]
"""Labels of the data, labels of the samples, and what they are labels of."""


def scatter(
    real: NDArray[Any],
    generated: NDArray[Any],
    titles: tuple[str, str],
    *,
    names: Sequence[str] = ("", ""),
    equal: bool = True,
    classes: Classed | None = None,
) -> Figure:
    """Two clouds beside each other and on top of each other, all in the axes of both. With classes: these in their colours where a cloud is
    alone."""
    import numpy as np

    span = limits([real, generated], equal=equal)
    made, axes = figure(WIDE, 3.6, 3)
    labels = classes[:2] if classes else (None, None)
    met, leaf = (np.concatenate([part for part in labels if part is not None]), classes[2]) if classes else (None, None)
    key = legends.classes(met, leaf)
    colours = (INK, REAL) if classes else (ONE, MADE)
    pairs = list(zip((real, generated), colours, titles, labels, strict=True))
    handles = key.handles() if len(key.entries) <= 10 else []
    for one, clouds, title in ((axes[0], pairs[:1], titles[0]), (axes[1], pairs[1:], titles[1]), (axes[2], pairs[::-1], "both")):
        alone = len(clouds) == 1
        for cloud, colour, name, label in clouds:
            about = {"s": 3.0 if len(cloud) > 400 else 9.0, "alpha": 0.45 if len(cloud) > 400 else 0.75, "linewidths": 0}
            one.scatter(cloud[:, 0], cloud[:, 1], c=key.of(label, colour) if alone else colour, **about)
            if alone:
                handles.append(legends.dot(f"{name}{' (in both)' if classes else ''}, n = {len(cloud):,}", colour))
        one.set(xlim=span[0], ylim=span[1], box_aspect=1)
        named(one, title, names[0], names[1] if one is axes[0] else "")
    below(made, handles)
    return made


def matrix(real: NDArray[Any], generated: NDArray[Any], titles: tuple[str, str], names: Sequence[str]) -> Figure:
    """Every pair of k numbers (n, k) in a panel, both clouds on top of each other; on the diagonal their histograms."""
    import numpy as np

    count = len(names)
    made = sheet(WIDE, WIDE * 0.97)
    clouds = list(zip((generated, real), (MADE, ONE), titles[::-1], strict=True))
    spans = [limits([part[np.isfinite(part[:, j])][:, [j]] for part in (real, generated)], equal=False)[0] for j in range(count)]
    for up in range(count):
        for across in range(up + 1):
            axes = made.add_subplot(count, count, up * count + across + 1)
            calm(axes)
            axes.set(xlim=spans[across])
            axes.tick_params(labelsize=7, labelbottom=up == count - 1, labelleft=across == 0 and up > 0)
            for part, colour, _ in clouds:
                if across == up:
                    bins = np.linspace(*spans[up], 25).tolist()
                    axes.hist(part[:, up], bins=bins, density=True, color=colour, alpha=0.45)
                    axes.set_yticks([])
                else:
                    about: dict[str, Any] = {"s": 3.0 if len(part) > 400 else 7.0, "alpha": 0.4 if len(part) > 400 else 0.8}
                    axes.scatter(part[:, across], part[:, up], color=colour, linewidths=0, **about)
                    axes.set(ylim=spans[up])
            named(axes, "", names[across] if up == count - 1 else "", names[up] if across == 0 and up else "")
    below(made, [legends.dot(f"{title}, n = {len(part):,}", colour) for part, colour, title in clouds[::-1]])
    return made


def cells(span: Limits, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """The outer edges of the cells whose centres are the grid's points: the first and the last of these lie on the limits."""
    (left, right), (low, high) = span
    half_x, half_y = (right - left) / (shape[1] - 1) / 2, (high - low) / (shape[0] - 1) / 2
    return left - half_x, right + half_x, low - half_y, high + half_y


def density(log_p: NDArray[Any], span: Limits, cloud: NDArray[Any], title: str, names: Sequence[str] = ("", "")) -> Figure:
    """log p over a grid (rows: y, upwards), from its highest value eight nats down, with the data on top."""
    import numpy as np

    made, axes = _plane(title, span, 6.5, names)  # the scale stands beside it
    top = float(np.nanmax(log_p))
    where = {"origin": "lower", "extent": cells(span, log_p.shape), "aspect": shape(span)["aspect"]}
    shown = axes.imshow(np.clip(log_p, top - 8, None), cmap="Blues", interpolation="bilinear", vmin=top - 8, **where)
    axes.set(xlim=span[0], ylim=span[1])
    axes.grid(False)
    _over(made, axes, cloud, None, None)
    _scale(made, axes, shown, "log p(x): 1 less is 2.7 times as rare")
    return made


def histogram(
    shares: NDArray[Any],
    edges: Sequence[NDArray[Any]],
    cloud: NDArray[Any],
    title: str,
    names: Sequence[str],
    labels: NDArray[Any] | None = None,
    about: Leaf | None = None,
) -> Figure:
    """The share of draws in each cell (rows: y, upwards) between `edges` of x and of y, with the data on top, classes in their colours."""
    span = ((float(edges[0][0]), float(edges[0][-1])), (float(edges[1][0]), float(edges[1][-1])))
    made, (axes,) = figure(6.5, 5.8)
    axes.set(box_aspect=1)
    named(axes, title, *names)
    shown = axes.pcolormesh(*edges, 100 * shares, cmap="Blues", vmin=0)
    axes.set(xlim=span[0], ylim=span[1])
    axes.grid(False)
    _over(made, axes, cloud, labels, about)
    _scale(made, axes, shown, "% of the draws in a cell")
    return made


def _over(made: Figure, axes: Any, cloud: NDArray[Any], labels: NDArray[Any] | None, about: Leaf | None) -> None:
    """The data on top of a ground, and what their dots mean below it."""
    few = len(cloud) <= 400
    key = legends.classes(labels, about)
    axes.scatter(cloud[:, 0], cloud[:, 1], s=9 if few else 2.5, c=key.of(labels, MADE), alpha=0.8 if few else 0.35, linewidths=0)
    below(made, key.handles() or [legends.dot(f"data, n = {len(cloud):,}", MADE)])


def _scale(made: Figure, axes: Any, shown: Any, label: str) -> None:
    bar = made.colorbar(shown, ax=axes, fraction=0.045, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=0, colors=PALE)
    bar.set_label(label, fontsize=9, color=PALE)


LEVELS = (-6.0, -4.0, -2.0, -0.5)
"""Nats below a class's highest density at which its contours are drawn."""


def classes(log_p: NDArray[Any], log_prior: NDArray[Any], span: Limits, cloud: NDArray[Any], labels: NDArray[Any] | None, title: str,
            names: Sequence[str], titles: Sequence[str] = ("", "")) -> Figure:  # fmt: skip
    """log p(x | y) over a grid, (K, rows, columns): contours of each class in its colour, on the ground of the class that Bayes' rule
    decides for; black where that changes. The data on top. `names` of the classes, `titles` of the axes."""
    import numpy as np
    from matplotlib.colors import to_rgb
    from matplotlib.lines import Line2D

    shares = ", ".join(f"{100 * np.exp(level):.2g}" for level in LEVELS)
    made, axes = _plane(f"{title}\nits contours: where it is {shares} % of its highest", span, 5.8, titles)
    joint = log_p + log_prior[:, None, None]
    colours = np.array([to_rgb(CLASSES[k % len(CLASSES)]) for k in range(len(log_p))])
    ground = 1 - 0.16 * (1 - colours[joint.argmax(0)])
    axes.imshow(ground, origin="lower", extent=cells(span, log_p.shape[1:]), interpolation="nearest", aspect=shape(span)["aspect"])
    axes.grid(False)
    across, up = (np.linspace(*side, count) for side, count in zip(span, log_p.shape[:0:-1], strict=True))
    for k, one in enumerate(log_p):
        top = float(np.nanmax(one))
        axes.contour(across, up, one, levels=[top + level for level in LEVELS], colors=[colours[k]], linewidths=1.1, linestyles="-")
        margin = joint[k] - np.delete(joint, k, 0).max(0) if len(joint) > 1 else np.ones_like(one)
        if margin.min() < 0 < margin.max():
            axes.contour(across, up, margin, levels=[0.0], colors=[INK], linewidths=1.6)
    shade: Any = REAL if labels is None else [CLASSES[int(label) % len(CLASSES)] for label in labels]
    axes.scatter(cloud[:, 0], cloud[:, 1], s=3.5, c=shade, alpha=0.4, linewidths=0)
    axes.set(xlim=span[0], ylim=span[1])
    key = [Line2D([], [], color=colours[k], label=literal(name)) for k, name in enumerate(names)]
    key.append(Line2D([], [], color=INK, linewidth=1.6, label="where the likelier class changes"))
    if labels is None:
        key.append(legends.dot("data", REAL))
    below(made, key)
    return made
