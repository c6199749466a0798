"""Curves: noise schedules over time, losses over steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..style import CLASSES, DASHES, INK, WIDE, figure, legend, line, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..protocols import Schedule
    from ..runs import Run


def schedules(chosen: Mapping[str, Schedule]) -> Figure:
    """α, σ and log α²/σ² of each over t. Exact ends, where the log-SNR is infinite, and paths that explode are cut off by the axes."""
    import torch

    from ..gaussian.schedules import at

    made, (left, middle, right) = figure(WIDE, 3.7, 3)
    t = torch.linspace(0, 1, 501, dtype=torch.float64)
    loudest = max(at(schedule, 1.0)[1] for schedule in chosen.values())
    for i, (name, schedule) in enumerate(chosen.items()):
        alpha, sigma = schedule(t)
        log_snr = 2 * (alpha / sigma).log()
        for axes, values in ((left, alpha), (middle, sigma), (right, log_snr)):
            axes.plot(t.tolist(), values.tolist(), linewidth=1.7, label=name, **line(i))
    left.set_ylim(-0.03, 1.06)
    # A path that explodes sets the scale only where it is alone.
    middle.set_ylim(*((-0.03, 1.06) if len(chosen) > 1 or loudest <= 1 else (-0.03 * loudest, 1.06 * loudest)))
    right.set_ylim(-16, 16)
    for axes, title in ((left, "α: what is left of the data"), (middle, "σ: the noise"), (right, "log α²/σ²")):
        named(axes, title, "t (0 data, 1 noise)")
        axes.set_xlim(0, 1)
    handles, names = left.get_legend_handles_labels()
    made.legend(
        handles, names, loc="outside lower center", ncols=min(len(names), 7), frameon=False, fontsize=8, labelcolor=INK, handlelength=2.6
    )
    return made


VALIDATION = "validation"


def losses(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[list[float], list[float]]]:
    """Each loss of a log as (steps, values): those of training by name, those of validation as "validation" or "validation/PHASE"."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        for name, value in row.items():
            if name.endswith(("loss", "log_likelihood")) and isinstance(value, int | float):
                head, _, last = name.rpartition("/")
                label = head if name.startswith(VALIDATION) and last in ("loss", "log_likelihood") else name
                steps, values = found.setdefault(label, ([], []))
                steps.append(row["step"])
                values.append(value)
    return found


MOST = 3  # metrics that have room beside the loss


def metrics(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[list[float], list[float]]]:
    """Each metric of a log as (steps, values): what only validations log. The first MOST of them."""
    trained = {name for row in rows for name in row if not name.startswith(f"{VALIDATION}/")}
    found: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        for name, value in row.items():
            own = name.removeprefix(f"{VALIDATION}/")
            if own != name and own not in trained and not own.endswith(("loss", "log_likelihood")) and isinstance(value, int | float):
                steps, values = found.setdefault(own, ([], []))
                steps.append(row["step"])
                values.append(value)
    return dict(list(found.items())[:MOST])


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """The mean of up to `window` values around each."""
    half = window // 2
    return [sum(part) / len(part) for i in range(len(values)) if (part := values[max(0, i - half) : i + half + 1])]


def loss(runs: Mapping[str, Run]) -> Figure:
    """The losses of one run or several: training (faint: each row, strong: smoothed) and validation (dots); beside them the metrics."""
    measured = {title: metrics(run.log()) for title, run in runs.items()}
    names = list(dict.fromkeys(name for found in measured.values() for name in found))[:MOST]
    made, (axes, *beside) = figure(8 + 3.2 * len(names), 4.5, 1 + len(names))
    for name, panel in zip(names, beside, strict=True):
        for place, (title, found) in enumerate(measured.items()):
            if name in found:
                panel.plot(*found[name], color=CLASSES[place % len(CLASSES)], marker="o", markersize=3, linewidth=1.2, label=title)
        named(panel, name, "step")
    tails: list[float] = []
    for place, (title, run) in enumerate(runs.items()):
        prefix = f"{title}: " if len(runs) > 1 else ""
        own: dict[str, int] = {}
        for name, (steps, values) in sorted(losses(run.log()).items(), key=lambda item: item[0].startswith(VALIDATION)):
            phase = name.removeprefix(f"{VALIDATION}/").removesuffix("/loss") if "/" in name else ""
            several = bool(phase) or len(runs) > 1
            # One run: a colour for each loss, or each phase. Several: a colour for each run, as it is these that are compared.
            colour = CLASSES[(place if len(runs) > 1 else own.setdefault(phase or name, len(own))) % len(CLASSES)]
            if name.startswith(VALIDATION):
                style: Any = {"linestyle": DASHES[2 if several else 0], "marker": "o", "markersize": 3}
                words = f"{prefix}{VALIDATION} {phase}".rstrip()
                axes.plot(steps, values, color=colour, linewidth=1.2, label=f"{words} (averaged weights)", **style)
                shown = values
            else:
                axes.plot(steps, values, color=colour, alpha=0.2, linewidth=0.7)
                shown = smoothed(values, max(1, len(values) // 40))
                axes.plot(steps, shown, color=colour, linewidth=1.6, label=prefix + ("training" if name == "loss" else f"training {name}"))
            tails += shown[len(shown) // 20 :]  # the first rounds would flatten everything else
    finite = [v for v in tails if abs(v) < float("inf")]
    if finite:
        margin = 0.08 * (max(finite) - min(finite)) or 0.1 * abs(min(finite)) or 1.0
        axes.set_ylim(min(finite) - margin, max(finite) + margin)
    named(axes, "", "step", "loss")
    legend(axes)
    return made
