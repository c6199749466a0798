"""Pictures in the plane: paths of single points, two clouds in one picture, densities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..modalities.points import CLASSES, INK, ONE, Limits, limits
from .style import figure, legend, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

REAL, MADE = "#9aa3b2", CLASSES[1]


def _plane(title: str, span: Limits) -> tuple[Figure, Any]:
    made, (axes,) = figure(5.8, 5.8)
    axes.set(xlim=span[0], ylim=span[1], aspect="equal")
    named(axes, title)
    return made, axes


def paths(states: NDArray[Any], cloud: NDArray[Any], title: str = "") -> Figure:
    """states (T, n, 2): the way of n points, from a ring where it begins to a dot where it ends, over a faint cloud."""
    made, axes = _plane(title, limits([cloud, states[-1], states[0]]))
    axes.scatter(cloud[:, 0], cloud[:, 1], s=3, color=REAL, alpha=0.35, linewidths=0)
    for i in range(states.shape[1]):
        axes.plot(states[:, i, 0], states[:, i, 1], color=ONE, linewidth=0.8, alpha=0.55)
    axes.scatter(states[0, :, 0], states[0, :, 1], s=16, facecolors="none", edgecolors=INK, linewidths=0.8, label="begins", zorder=3)
    axes.scatter(states[-1, :, 0], states[-1, :, 1], s=16, color=MADE, linewidths=0, label="ends", zorder=4)
    legend(axes)
    return made


def scatter(real: NDArray[Any], generated: NDArray[Any], titles: tuple[str, str]) -> Figure:
    """Two clouds beside each other and on top of each other, all in the axes of both."""
    span = limits([real, generated])
    made, axes = figure(12, 4.3, 3)
    for one, clouds, title in ((axes[0], (True, False), titles[0]), (axes[1], (False, True), titles[1]), (axes[2], (True, True), "both")):
        for shown, cloud, colour, name in zip(clouds, (real, generated), (ONE, MADE), titles, strict=True):
            if shown:
                size = 3.0 if len(cloud) > 400 else 9.0
                one.scatter(cloud[:, 0], cloud[:, 1], s=size, color=colour, alpha=0.45, linewidths=0, label=f"{name} ({len(cloud):,})")
        one.set(xlim=span[0], ylim=span[1], aspect="equal")
        named(one, title)
    axes[2].legend(frameon=False, fontsize=8, markerscale=2.5, loc="upper right")
    return made


def density(log_p: NDArray[Any], span: Limits, cloud: NDArray[Any], title: str) -> Figure:
    """log p over a grid (rows: y, upwards), from its highest value eight nats down, with the data on top."""
    import numpy as np

    made, axes = _plane(title, span)
    top = float(np.nanmax(log_p))
    shown = axes.imshow(
        np.clip(log_p, top - 8, None), origin="lower", extent=(*span[0], *span[1]), cmap="Blues", interpolation="bilinear", vmin=top - 8
    )
    axes.grid(False)
    axes.scatter(cloud[:, 0], cloud[:, 1], s=2.5, color=MADE, alpha=0.35, linewidths=0)
    bar = made.colorbar(shown, ax=axes, shrink=0.82, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, length=0)
    bar.set_label("log p(x), nats", fontsize=8)
    return made
