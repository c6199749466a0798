"""Pictures in the plane: paths of single points, two clouds in one picture, densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..modalities.points import CLASSES, INK, ONE, PALE, Limits, limits
from .style import WIDE, figure, legend, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

REAL, MADE = "#9aa3b2", CLASSES[1]


def _plane(title: str, span: Limits, width: float = 5.8) -> tuple[Figure, Any]:
    made, (axes,) = figure(width, 5.8)
    axes.set(xlim=span[0], ylim=span[1], aspect="equal")
    named(axes, title)
    return made, axes


def around(cloud: NDArray[Any], states: NDArray[Any]) -> Limits:
    """Limits for nearly all of the cloud and the whole of every path: a line must not leave the picture."""
    import numpy as np

    corners = states.reshape(-1, 2)
    return limits([cloud, np.stack([corners.min(0), corners.max(0)])])


def paths(states: NDArray[Any], cloud: NDArray[Any], title: str = "") -> Figure:
    """states (T, n, 2): the way of n points, from a ring where it begins to a dot where it ends, over a faint cloud."""
    made, axes = _plane(title, around(cloud, states))
    axes.scatter(cloud[:, 0], cloud[:, 1], s=3, color=REAL, alpha=0.35, linewidths=0)
    for i in range(states.shape[1]):
        axes.plot(states[:, i, 0], states[:, i, 1], color=ONE, linewidth=0.8, alpha=0.55)
    axes.scatter(states[0, :, 0], states[0, :, 1], s=16, facecolors="none", edgecolors=INK, linewidths=0.8, label="begins", zorder=3)
    axes.scatter(states[-1, :, 0], states[-1, :, 1], s=16, color=MADE, linewidths=0, label="ends", zorder=4)
    legend(axes, loc="upper right")
    return made


def scatter(real: NDArray[Any], generated: NDArray[Any], titles: tuple[str, str]) -> Figure:
    """Two clouds beside each other and on top of each other, all in the axes of both."""
    span = limits([real, generated])
    made, axes = figure(WIDE, 3.5, 3)
    for one, clouds, title in ((axes[0], (True, False), titles[0]), (axes[1], (False, True), titles[1]), (axes[2], (True, True), "both")):
        for shown, cloud, colour, name in zip(clouds, (real, generated), (ONE, MADE), titles, strict=True):
            if shown:
                size = 3.0 if len(cloud) > 400 else 9.0
                one.scatter(cloud[:, 0], cloud[:, 1], s=size, color=colour, alpha=0.45, linewidths=0, label=f"{name}, n = {len(cloud):,}")
        one.set(xlim=span[0], ylim=span[1], box_aspect=1)
        named(one, title)
    # Below the panels: inside one it would lie on points.
    handles, names = axes[2].get_legend_handles_labels()
    key = made.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=9, labelcolor=INK, markerscale=3)
    for handle in filter(None, key.legend_handles):
        handle.set_alpha(1)
    return made


def cells(span: Limits, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """The outer edges of the cells whose centres are the grid's points: the first and the last of these lie on the limits."""
    (left, right), (low, high) = span
    half_x, half_y = (right - left) / (shape[1] - 1) / 2, (high - low) / (shape[0] - 1) / 2
    return left - half_x, right + half_x, low - half_y, high + half_y


def density(log_p: NDArray[Any], span: Limits, cloud: NDArray[Any], title: str) -> Figure:
    """log p over a grid (rows: y, upwards), from its highest value eight nats down, with the data on top."""
    import numpy as np

    made, axes = _plane(title, span, 6.5)  # the scale stands beside it
    top = float(np.nanmax(log_p))
    shown = axes.imshow(
        np.clip(log_p, top - 8, None), origin="lower", extent=cells(span, log_p.shape), cmap="Blues", interpolation="bilinear", vmin=top - 8
    )
    axes.set(xlim=span[0], ylim=span[1])
    axes.grid(False)
    axes.scatter(cloud[:, 0], cloud[:, 1], s=2.5, color=MADE, alpha=0.35, linewidths=0)
    bar = made.colorbar(shown, ax=axes, fraction=0.045, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=0, colors=PALE)
    bar.set_label("nats", fontsize=9, color=PALE)
    return made


LEVELS = (-6.0, -4.0, -2.0, -0.5)
"""Nats below a class's highest density at which its contours are drawn."""


def classes(log_p: NDArray[Any], log_prior: NDArray[Any], span: Limits, cloud: NDArray[Any], labels: NDArray[Any] | None, title: str,
            names: Sequence[str]) -> Figure:  # fmt: skip
    """log p(x | y) over a grid, (K, rows, columns): contours of each class in its colour, on the ground of the class that Bayes' rule
    decides for; black where that changes. The data on top."""
    import numpy as np
    from matplotlib.colors import to_rgb
    from matplotlib.lines import Line2D

    made, axes = _plane(title, span)
    joint = log_p + log_prior[:, None, None]
    colours = np.array([to_rgb(CLASSES[k % len(CLASSES)]) for k in range(len(log_p))])
    ground = 1 - 0.16 * (1 - colours[joint.argmax(0)])
    axes.imshow(ground, origin="lower", extent=cells(span, log_p.shape[1:]), interpolation="nearest")
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
    key = [Line2D([], [], color=colours[k], label=name) for k, name in enumerate(names)]
    made.legend(handles=[*key, Line2D([], [], color=INK, linewidth=1.6, label="decision boundary")], loc="outside lower center",
                ncols=min(len(key) + 1, 6), frameon=False, fontsize=8, labelcolor=INK)  # fmt: skip
    return made
