"""What a person sees of a run: the picture of its loss, and samples drawn while it trains."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..protocols import Sampler
from ..runs import Run

PREVIEWS = {"points": 2000}  # examples in a preview; 16 of anything that is a picture by itself


def curves(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[list[float], list[float]]]:
    """Each loss of a log as (steps, values): those of training by their names, those of validation under "validation"."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        for name, value in row.items():
            if name.endswith(("loss", "log_likelihood")):
                label = name.replace("validation/loss", "validation").replace("validation/log_likelihood", "validation")
                steps, values = found.setdefault(label, ([], []))
                steps.append(row["step"])
                values.append(value)
    return found


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """The mean of up to `window` values around each."""
    half = window // 2
    return [sum(part) / len(part) for i in range(len(values)) if (part := values[max(0, i - half) : i + half + 1])]


def loss_picture(run: Run, path: Path | None = None) -> Path:
    """Draw the run's loss, training (faint: each row, strong: smoothed) and validation. Returns where it is."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    lowest = highest = None
    for i, (name, (steps, values)) in enumerate(sorted(curves(run.log()).items(), key=lambda item: item[0] == "validation")):
        if name == "validation":
            axes.plot(steps, values, "o-", color="#d1495b", markersize=3, linewidth=1.2, label="validation (averaged weights)")
            shown = values
        else:
            axes.plot(steps, values, color=f"C{i}", alpha=0.2, linewidth=0.7)
            shown = smoothed(values, max(1, len(values) // 40))
            axes.plot(steps, shown, color=f"C{i}", linewidth=1.6, label=f"training {name}" if name != "loss" else "training")
        tail = sorted(shown[len(shown) // 20 :])  # the first rounds would flatten everything else
        if tail:
            lowest = min(tail[0], lowest) if lowest is not None else tail[0]
            highest = max(tail[-1], highest) if highest is not None else tail[-1]
    if lowest is not None and highest is not None:
        margin = 0.08 * (highest - lowest) or 0.1 * abs(lowest) or 1.0
        axes.set_ylim(lowest - margin, highest + margin)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    path = path or run.picture
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    figure.savefig(temporary)
    os.replace(temporary, path)
    return path


def preview(model: Any, sampler: Sampler, path: Path) -> None:
    """The same samples (seed 0) each time, in the format that the modality prefers."""
    from ..host.lookup import modality
    from ..sampling import final_data, sample

    data = final_data(model)
    kind = modality(data.modality)
    path.parent.mkdir(parents=True, exist_ok=True)
    sample(model, PREVIEWS.get(data.modality, 16), seed=0, sampler=sampler).save(path.with_suffix(kind.default_suffix))
