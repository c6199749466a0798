"""The number that says how good a model is: what `best/` is kept by, and what ends a training that no longer improves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import GentkError, UsageError, did_you_mean
from ..examples import fetch, some
from ..host import lookup
from ..host.specs import resolve
from ..inference.sampling import default_sampler, sample
from ..protocols import Batch, Watch
from ..text import cause

EXAMPLES = 1000  # drawn, and of the test split, that a metric compares
SEED = 0


def watched(model: Any, *, statistical: bool) -> Watch | None:
    """What the model names, else its loss or log-likelihood; None for several phases. Raises UsageError if it is no Watch."""
    if (own := getattr(model, "watch", None)) is not None:
        if not (isinstance(own, Watch) and isinstance(own.name, str) and own.better in ("lower", "higher")):
            raise UsageError(f"{type(model).__name__}.watch should be Watch(name, 'lower' or 'higher'), and is {str(own)[:80]!r}")
        return own
    if statistical:
        return Watch("log_likelihood", "higher")
    return Watch("loss") if len(model.phases()) == 1 else None


def metrics(plugin: str) -> dict[str, Any]:
    """The metrics that a model of `plugin` can name: the plugin's own and the core's."""
    return {**lookup.specs("metrics", lookup.CORE), **lookup.specs("metrics", plugin)}


def measure(spec: Any, model: Any, validation: Any, sampler: Any = None) -> float:
    """The metric of `EXAMPLES` draws of a fixed seed against as many examples of the test split; raises GentkError where it fails."""
    n = min(EXAMPLES, len(validation))
    target: Callable[..., Any] = resolve(spec.target)
    drawn: Batch = sample(model, n, seed=SEED, sampler=sampler or default_sampler(model)).batch
    try:
        return float(target(drawn, fetch(validation, some(len(validation), n))))
    except GentkError:
        raise
    except Exception as error:
        raise GentkError(f"metric '{spec.name}' failed: {cause(error)}") from error


class Best:
    """Whether a validation is the best so far, and how many have not been since. Lower `worth` is better."""

    def __init__(self, watch: Watch | None) -> None:
        self.watch, self.worth, self.stale = watch, math.inf, 0

    def improved(self, found: Mapping[str, float], offers: Mapping[str, Any]) -> bool:
        """Raises UsageError where the watched name is neither among `found` nor a metric in `offers`."""
        if self.watch is None or not found:
            return False
        name, better = self.watch
        if name not in found:
            known = {*found, *offers}
            listed = did_you_mean(name, known)
            listed += "" if "there is:" in listed else f"; there is: {', '.join(sorted(known)[:20])}"
            raise UsageError(f"watch = '{name}' is no value of a validation and no metric{listed}")
        worth = found[name] if better == "lower" else -found[name]
        if worth < self.worth:
            self.worth, self.stale = worth, 0
            return True
        self.stale += 1
        return False
