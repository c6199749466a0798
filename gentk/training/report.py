"""What a person sees of a run: the picture of its loss."""

from __future__ import annotations

from pathlib import Path

from ..runs import Run


def loss_picture(run: Run) -> Path:
    """Draw the run's loss, training and validation. Returns where it is."""
    from ..plots.curves import loss
    from ..style import save

    save(loss({run.folder.name: run}), run.picture)
    return run.picture
