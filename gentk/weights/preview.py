"""Samples to look at: those that a run draws while it trains, and samples/preview.* of weights that are to be published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..text import cause
from .card.facts import own_preview
from .files import allowed, member

if TYPE_CHECKING:
    from ..protocols import Sampler


PREVIEWS = {"points": 2000}  # examples in a preview; 16 of anything that is a picture by itself


def preview(model: Any, sampler: Sampler, path: Path) -> Path:
    """Save the same samples (seed 0) each time, in the format that the modality prefers. Returns the file: `path` with its suffix."""
    from ..host.lookup import modality
    from ..inference.sampling import final_data, sample

    data = final_data(model)
    kind = modality(data.modality)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_suffix(kind.default_suffix)
    sample(model, PREVIEWS.get(data.modality, 16), seed=0, sampler=sampler).save(file)
    return file


def sampler_of(model: Any) -> Sampler | None:
    """None for what draws nothing by itself: an autoencoder, a classifier."""
    from ..inference.sampling import default_sampler

    try:
        return default_sampler(model)
    except UsageError:
        return None


def found(folder: Path, suffix: str) -> Path | None:
    """A preview that the folder has: its author's, else the newest of a run. Raises GentkError for one that lies elsewhere."""
    newest = max(folder.glob(f"samples/step-*{suffix}"), default=None)
    return own_preview(folder) or (member(folder, f"samples/{newest.name}") if newest else None)


def suffix_of(model: Any) -> str:
    """"" for a modality whose format no repository of weights holds."""
    from ..host.lookup import modality
    from ..inference.sampling import final_data

    suffix = str(modality(final_data(model).modality).default_suffix)
    return suffix if allowed(f"samples/preview{suffix}") else ""


def drawn(model: Any, sampler: Sampler, place: Path) -> tuple[Path | None, str]:
    """A preview drawn into the folder `place`, as while training; else why there is none."""
    path = place / f"preview{suffix_of(model)}"
    try:
        preview(model, sampler, path)
    except Exception as error:  # whatever a plugin's sampler meets, an input that must be given: the weights are still worth having
        told = str(error) if isinstance(error, UsageError) else cause(error)
        return None, f"there is no preview, as nothing could be drawn: {' '.join(told.split())[:200]}"
    return path, ""
