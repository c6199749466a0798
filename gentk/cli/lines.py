"""Commands whose flags depend on the weights that their line names: parse once for these, then once more with their flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .flags import Flag, condition_flag, own_names, selectors
from .flags import command as typer_command
from .subject import Subject, subject

SELECTORS = ("plugin", "recipe", "weights", "sampler", "model")


def command(
    function: Callable[..., Any], args: list[str], resilient: bool, flags: Callable[[Subject, Mapping[str, Any]], list[Flag]]
) -> Any:
    """The Typer command for this line. `flags(subject, words)`: those of the subject, `words` being what else stands on the line."""
    chosen = selectors(function, args)
    try:
        found = subject(*(chosen.get(k) for k in SELECTORS))
        return typer_command(function, flags(found, chosen), about=f"{found.title} with sampler {found.sampler.name}")
    except Exception:
        if resilient:  # completion must not fail because a plugin does
            return typer_command(function)
        raise


def condition_flags(function: Callable[..., Any], found: Subject, guide: str | None = None) -> list[Flag]:
    """What the weights can be asked for."""
    from rich.markup import escape

    panel, taken = f"What {escape(found.title)} can be asked for", own_names(function)
    return [condition_flag(key, condition, panel, taken) for key, condition in found.conditions(guide).items()]
