"""Commands whose flags depend on the weights that their line names: parse once for these, then once more with their flags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from ..weights import hub
from .flags import Flag, condition_flag, own_names, selectors
from .flags import command as typer_command
from .subject import Subject, subject

SELECTORS = ("plugin", "recipe", "weights", "sampler", "model")


def command(
    function: Callable[..., Any], args: list[str], resilient: bool, flags: Callable[[Subject, Mapping[str, Any]], list[Flag]]
) -> Any:
    """The Typer command for this line. `flags(subject, words)`: those of the subject, `words` being what else stands on the line.

    Help and completion ask nothing of the Hub: of weights that are not in the cache they know no flags.
    """
    chosen, looking = selectors(function, args), resilient or bool({"--help", "-h"} & set(args))
    chosen["weights"] = chosen.get("weights") or chosen.get("which")  # by an option, or as the line's first word
    try:
        with hub.cache_only() if looking else nullcontext():
            found = subject(*(chosen.get(k) for k in SELECTORS))
            return typer_command(function, flags(found, chosen), about=f"{found.title} with sampler {found.sampler.name}")
    except hub.Missing as error:
        if not looking:
            raise
        if not resilient:
            print(f"the flags of these weights are not shown: {error}", file=sys.stderr)
        return typer_command(function)
    except Exception:
        if resilient or (looking and not any(map(chosen.get, SELECTORS))):  # completion must not fail because a plugin does; nor must
            return typer_command(function)  # help where none is installed
        raise


def condition_flags(function: Callable[..., Any], found: Subject, guide: str | None = None) -> list[Flag]:
    """What the weights can be asked for."""
    from rich.markup import escape

    panel, taken = f"What {escape(found.title)} can be asked for", own_names(function)
    return [condition_flag(key, condition, panel, taken) for key, condition in found.conditions(guide).items()]
