"""What an example is to a person: how to check, save, read and picture it. Light: torch and numpy are imported when they are needed."""

from __future__ import annotations

from .base import Modality

__all__ = ["CORE", "Modality", "modality"]

CORE = {
    "points": "gentk.modalities.points:Points",
    "image": "gentk.modalities.image:Image",
    "series": "gentk.modalities.series:Series",
    "table": "gentk.modalities.table:Table",
    "text": "gentk.modalities.text:Text",
}
"""The core's own, name → target. A plugin's are found by the host, which falls back here."""


def modality(name: str) -> Modality:
    """The modality `name`. One that the core does not know can still be saved as arrays, so that nothing sampled is ever lost."""
    from pkgutil import resolve_name

    from .arrays import ArraysOnly

    if target := CORE.get(name):
        made: Modality = resolve_name(target)()
        return made
    return ArraysOnly(name)
