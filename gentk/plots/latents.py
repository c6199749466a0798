"""Pictures of latents: where a model puts examples, and what information in them costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..legends import colour, shortened
from ..style import DASHES, INK, ONE, PALE, figure, literal, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

CLASSES_NAMED = 20  # classes that a legend holds


def principal(z: NDArray[Any], k: int = 2) -> tuple[NDArray[Any], list[float]]:
    """z (n, d) on its first k principal components, (n, k), and the share of the variance that each holds."""
    import numpy as np

    centred = z - z.mean(0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    held = values**2 / max(float((values**2).sum()), 1e-300)
    return centred @ axes[:k].T, [float(v) for v in held[:k]]


def latent(z: NDArray[Any], titles: Sequence[str], labels: NDArray[Any] | None = None, names: Sequence[str] = ()) -> Figure:
    """z (n, 2): a point per example; (n, 1): a histogram. A colour for each class, where there are classes; a legend outside the points."""
    import numpy as np

    made, (axes,) = figure(6.8, 5.6)
    found = [None] if labels is None else sorted({int(label) for label in labels})
    size, alpha = float(np.clip(9000 / len(z), 3, 22)), float(np.clip(40 / np.sqrt(len(z)), 0.35, 0.85))
    spread = np.linspace(z[:, 0].min(), z[:, 0].max(), 61).tolist()
    for k in found:
        shown = z if labels is None or k is None else z[labels == k]
        about: dict[str, Any] = {"color": ONE if k is None else colour(k, len(found)), "label": _name(k, names)}
        if z.shape[1] == 1:
            axes.hist(shown[:, 0], bins=spread, alpha=0.55, **about)
        else:
            axes.scatter(shown[:, 0], shown[:, 1], s=size, alpha=alpha, linewidths=0, **about)
    if z.shape[1] > 1:
        axes.set(aspect="equal")
    named(axes, "", *titles)
    if len(found) > 1:
        key = axes.legend(
            loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8, labelcolor=INK, handletextpad=0.3,
            ncols=1 + len(found) // (CLASSES_NAMED + 1), markerscale=max(1.0, 5 / size**0.5),
        )  # fmt: skip
        for handle in filter(None, key.legend_handles):
            handle.set_alpha(1)
    return made


def _name(k: int | None, names: Sequence[str]) -> str:
    return "" if k is None else literal(shortened(names[k])) if k < len(names) else str(k)


def rate_distortion(points: Sequence[tuple[str, float, float]]) -> Figure:
    """(name, rate, distortion) of each model, nats per example: a named point, over lines of equal −ELBO = rate + distortion."""
    from matplotlib.ticker import MaxNLocator

    made, (axes,) = figure(6.6, 4.8)
    axes.plot([p[1] for p in points], [p[2] for p in points], color=ONE, linestyle="", marker="o", markersize=6, zorder=3)
    axes.margins(x=0.2, y=0.18)
    left, right = max(float(axes.get_xlim()[0]), 0.0), float(axes.get_xlim()[1])
    low, high = (float(end) for end in axes.get_ylim())
    axes.set(xlim=(left, right), ylim=(low, high))
    ground: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    for name, rate, distortion in points:
        inward = -1 if rate > (left + right) / 2 else 1  # a name stays inside the axes
        axes.annotate(literal(name), (rate, distortion), xytext=(8 * inward, 6), textcoords="offset points", fontsize=9, color=INK,
                      ha="right" if inward < 0 else "left", bbox=ground, zorder=2)  # fmt: skip
    for total in MaxNLocator(10, steps=[1, 2, 5, 10]).tick_values(left + low, right + high):
        axes.plot([left, right], [total - left, total - right], color=PALE, linewidth=0.7, linestyle=DASHES[1], zorder=1)
        about: dict[str, Any] = {"fontsize": 8, "color": PALE, "textcoords": "offset points", "annotation_clip": False}
        if low < total - right < high:
            axes.annotate(f"{total:g}", (right, total - right), xytext=(4, 0), va="center", **about)
        elif left < total - low < right:  # it leaves at the bottom
            axes.annotate(f"{total:g}", (total - low, low), xytext=(-4, 3), ha="right", bbox=ground, **about)
    named(axes, "dashed: equal −ELBO = rate + distortion, nats per example", "rate KL(q(z|x) ‖ p(z))", "distortion −E log p(x|z)")
    return made
