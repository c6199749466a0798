"""Going on with a run: which settings may change, and which checkpoint is whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import GentkError, UsageError
from ..recipes import Recipe
from ..runs import Run
from ..text import warn
from . import state

MAY_CHANGE = frozenset(
    f"training.{name}"
    for name in ("steps", "tolerance", "patience", "log_every", "checkpoint_every", "preview_every", "evaluate_every", "metrics_every")
)
"""How long a run trains, and how often it logs, saves and looks. All else would be another run."""
MICRO = "training.accumulate"  # may change with the number of ranks: their product may not


def whole_checkpoint(run: Run, *, restart: bool) -> Path | None:
    """The newest checkpoint that is as it was written; None: training begins at step 0.

    A damaged one is moved away and said on stderr. Raises GentkError, unless `restart`, if the run had been saved and nothing of it is
    left: beginning again would erase its log.
    """
    found = state.checkpoints(run.state)
    wrong: list[tuple[Path, str]] = []
    for folder in found:
        try:
            step = state.read(folder).numbers["step"]
        except GentkError as error:
            wrong.append((folder, str(error)))
            continue
        for damaged, why in wrong:
            warn(f"{why}; the run goes on from step {step}")
            set_aside(damaged)
        return folder
    rows = len(run.log())
    if (wrong or (run.folder / "config.json").exists()) and not restart:
        why = wrong[0][1] if wrong else f"{run.state} holds no checkpoint"
        lost = f"the optimizers and {rows} rows of the log cannot be gone on with"
        raise GentkError(f"{why}; {lost}. Add --restart to begin again at step 0, or train a new run with --init {run.folder}")
    for folder, why in wrong:
        warn(f"{why}; the run begins again at step 0")
        set_aside(folder)
    if rows:
        warn(f"{run.folder} has no saved state: training begins at step 0, and {rows} rows of its log are removed")
    return None


def set_aside(folder: Path) -> None:
    """Rename a damaged checkpoint, so that a new one of its step can be written."""
    target, k = folder.with_name(f"damaged-{folder.name}"), 1
    while target.exists():
        target, k = folder.with_name(f"damaged-{folder.name}-{k}"), k + 1
    os.replace(folder, target)


def changes(before: Recipe, now: Recipe, *, same_micro_batches: bool = False) -> dict[str, tuple[Any, Any]]:
    """What `now` has otherwise than the run's own recipe: key → (before, now). Raises UsageError for a key that may not change."""
    old, new = _flat(_plain(before)), _flat(_plain(now))
    found = {key: (old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)}
    for key, (was, wanted) in found.items():
        if key not in MAY_CHANGE and not (key == MICRO and same_micro_batches):
            told = f"{key} is {_shown(was)} in this run, and {_shown(wanted)} is asked for"
            raise UsageError(f"{told}: --resume keeps the run's settings; for others train a new run (--init takes weights)")
    return found


def _plain(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(mode="json", exclude_none=True)


def _flat(table: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{path}{key}.") if isinstance(value, Mapping) else {f"{path}{key}": value}
    return found


def _shown(value: Any) -> str:
    text = "unset" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
