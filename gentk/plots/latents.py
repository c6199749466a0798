"""Pictures of latents: where a model puts examples, what lies where, what information costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..legends import colour, shortened
from ..style import INK, ONE, figure, literal, named

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


def tradeoff(points: Mapping[str, tuple[float, float, float]]) -> Figure:
    """Each run's (β, KL, reconstruction), nats per example: what is paid in information against what is not explained, joined by β."""
    made, (axes,) = figure(6.6, 4.8)
    ordered = sorted(points.values())
    axes.plot([p[1] for p in ordered], [p[2] for p in ordered], color=ONE, linewidth=1.2, marker="o", markersize=6, zorder=3)
    for beta, kl, reconstruction in ordered:
        axes.annotate(f"β = {beta:g}", (kl, reconstruction), xytext=(7, 6), textcoords="offset points", fontsize=9, color=INK, zorder=4)
    axes.margins(x=0.16, y=0.14)
    named(axes, "", "KL(q(z|x) ‖ p(z)), nats per example", "−log p(x|z), nats per example")
    return made
