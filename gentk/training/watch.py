"""The number that says how good a model is: what `best/` is kept by, and what ends a training that no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError, did_you_mean
from ..evaluation.cache import opened
from ..evaluation.evaluate import chosen_for, evaluated
from ..evaluation.material import Request
from ..evaluation.reference import Reference, reference
from ..host import lookup
from ..inference.sampling import final_data
from ..protocols import Score, Watch
from ..recipes import Recipe
from ..text import note

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


class Measuring:
    """The metrics of a training: those of its recipe, and the one that its model watches. By as many draws, of a fixed seed, as examples of
    the test split."""

    def __init__(self, recipe: Recipe, watch: Watch | None, sampler: Any) -> None:
        self.part, self.plugin, self.sampler = recipe.dataset, recipe.model.plugin, sampler
        self.offers, self.settings = metrics(self.plugin), recipe.training
        own = [watch.name] if watch and watch.name in self.offers else []
        self.names = [*dict.fromkeys([*self.settings.evaluate_metrics, *own])]

    def due(self, step: int) -> bool:
        every = self.settings.metrics_every
        return bool(self.names) and (not every or step % every == 0)

    def check(self, model: Any) -> None:
        """Raises UsageError where one of the recipe's is unknown, or cannot be measured of this model."""
        if self.settings.evaluate_metrics:
            with opened(kept=False) as cache:
                chosen_for(self._request(model), cache)

    def scores(self, model: Any) -> list[Score]:
        """Of the metrics in their order. What a metric says against it is told; raises UsageError as `check` does."""
        found = evaluated(self._request(model), bare=True)
        for name, why in found.failed.items():
            note(f"metric '{name}' gave no number: {why}")
        return list(found.scores)

    def _request(self, model: Any) -> Request:
        source = reference(self.part.name, self.part.options, plugin=self.plugin)
        return Request(
            "the model", source, final_data(model), model=model, own=Reference(self.part.name, "test", self.part.options, self.plugin),
            n=self.settings.metrics_samples, seed=SEED, sampler=self.sampler, metrics=self.names, plugin=self.plugin, cached=False,
        )  # fmt: skip


def watch_of(score: Score) -> Watch:
    """Raises UsageError for a score of which neither less nor more is better."""
    if score.better == "floor":
        raise UsageError(f"'{score.name}' is best where real examples are, so that no best/ can be kept by it: name another metric first")
    return Watch(score.name, score.better)


class Best:
    """Whether a validation is the best so far, and how many have not been since. Lower `worth` is better."""

    def __init__(self, watch: Watch | None) -> None:
        self.watch, self.worth, self.stale = watch, math.inf, 0

    def improved(self, found: Mapping[str, float], offers: Mapping[str, Any]) -> bool:
        """Raises UsageError where the watched name is neither among `found` nor a metric in `offers`."""
        if self.watch is None or not found:
            return False
        name, better = self.watch
        if name not in found and name in offers:  # a metric that is not measured this time, or gave no number
            return False
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
