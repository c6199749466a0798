"""Ranks of several models by one score, and how sure they are: the ranks again, as often as the values can be drawn anew."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..protocols import Score

DRAWS = 2000  # of values whose error is a number and no list of halves
SURE = 0.9  # the share of the draws that an interval of ranks holds
By = Literal["halves", "error", ""]


class Rank(NamedTuple):
    """`place`: 1 is the best, and equal values share one. `low` … `high` holds at least 90 % of the draws, `share` of them are `place`.
    `by`: where the draws are from: random halves of the examples, or normal ones with the metric's own error; without either, nowhere."""

    place: int
    low: int
    high: int
    share: float | None
    draws: int
    by: By


class Entrant(NamedTuple):
    """A model's score, and its values on random halves, NaN where a half gave none; the halves of all entrants are the same ones."""

    score: Score
    halves: Sequence[float] = ()


def ranked(entrants: Mapping[str, Entrant]) -> dict[str, Rank]:
    """Rank the models by one score; empty for fewer than two, and where the score is to be near a floor that nobody measured.

    The draws of a value are itself plus the deviations of the halves from their mean, scaled by √(h/(h − 1)): of n/2 rows without
    repetition they are as large as the error of all n (`measuring.spread`), and what a half adds to every value alike cancels. A half
    counts for all models or for none, so that models are compared pair by pair.
    """
    names = list(entrants)
    scores = [entrants[name].score for name in names]
    if len(names) < 2 or any(score.better == "floor" and score.floor is None for score in scores):
        return {}
    values = np.array([score.value for score in scores])
    moved, by = _deviations([entrants[name] for name in names])
    places = _places(_badness(values[None], scores))[0]
    drawn = _places(_badness(values + moved, scores))
    low, high = (np.quantile(drawn, q, axis=0, method="inverted_cdf") for q in ((1 - SURE) / 2, (1 + SURE) / 2))
    return {
        name: Rank(
            int(places[i]),
            int(min(low[i], places[i])),
            int(max(high[i], places[i])),
            float(np.mean(drawn[:, i] == places[i])) if by else None,
            len(drawn) if by else 0,
            by,
        )
        for i, name in enumerate(names)
    }


def _deviations(entrants: Sequence[Entrant]) -> tuple[NDArray[np.float64], By]:
    """(draws, models): how far from its value each draw is; one draw of zeros where nobody knows an error."""
    length = min(len(entrant.halves) for entrant in entrants)
    halves = np.array([list(entrant.halves[:length]) for entrant in entrants]).T.reshape(length, len(entrants))
    halves = halves[np.isfinite(halves).all(1)]
    if len(halves) > 1:
        return (halves - halves.mean(0)) * math.sqrt(len(halves) / (len(halves) - 1)), "halves"
    errors = [entrant.score.error for entrant in entrants]
    if any(error is None for error in errors):
        return np.zeros((1, len(entrants))), ""
    return np.random.default_rng(0).normal(size=(DRAWS, len(entrants))) * np.array(errors, dtype=np.float64), "error"


def _badness(values: NDArray[np.float64], scores: Sequence[Score]) -> NDArray[np.float64]:
    """(draws, models): the smaller the better."""
    better = scores[0].better
    if better == "floor":
        return np.abs(values - np.array([score.floor for score in scores], dtype=np.float64))
    return values if better == "lower" else -values


def _places(badness: NDArray[np.float64]) -> NDArray[np.int64]:
    """1 + how many models are better, in each draw."""
    found: NDArray[np.int64] = 1 + (badness[:, None, :] < badness[:, :, None]).sum(2)
    return found


def ratio(score: Score, errors: Sequence[float | None]) -> float | None:
    """How many times the floor a value is. None where the floor is not clearly above 0, or the value below: unbiased estimates are around 0
    where nothing differs, and a multiple of that says nothing. `errors`: those of all models; the smallest is near that of the floor."""
    if score.floor is None or score.floor <= 0 or score.value < 0:
        return None
    known = [error for error in errors if error]  # 0 is that of a model which makes one and the same sample
    return score.value / score.floor if score.floor > 2 * min(known, default=0.0) else None
