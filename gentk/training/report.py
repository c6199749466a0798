"""What a person sees of a run: the picture of its loss, and samples drawn while it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..protocols import Sampler
from ..runs import Run

PREVIEWS = {"points": 2000}  # examples in a preview; 16 of anything that is a picture by itself


def loss_picture(run: Run) -> Path:
    """Draw the run's loss, training and validation. Returns where it is."""
    from ..plots.curves import loss
    from ..plots.style import save

    save(loss({run.folder.name: run}), run.picture)
    return run.picture


def preview(model: Any, sampler: Sampler, path: Path) -> None:
    """The same samples (seed 0) each time, in the format that the modality prefers."""
    from ..host.lookup import modality
    from ..sampling import final_data, sample

    data = final_data(model)
    kind = modality(data.modality)
    path.parent.mkdir(parents=True, exist_ok=True)
    sample(model, PREVIEWS.get(data.modality, 16), seed=0, sampler=sampler).save(path.with_suffix(kind.default_suffix))
