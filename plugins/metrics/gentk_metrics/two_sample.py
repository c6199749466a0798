"""The classifier two-sample test (Lopez-Paz & Oquab, arXiv:1610.06545)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from gentk.protocols import Score

from .sides import Sides, score

FOLDS = 5
MOST = 5000  # rows of a side, for an error of 0.005


class C2ST(Sides):
    """Held-out accuracy of a classifier that tells generated examples from real ones: 0.5 at best, 1 at worst.

    Gradient-boosted trees, cross-validated in 5 folds on equally many rows of both sides, at most 5,000 each. Trees do not depend on the
    features' scales, and detect a shift as well as a missing mode, in 2 dimensions and in 64. A better classifier may reach a higher
    accuracy. The error is binomial.
    """

    name = "c2st"

    def compute(self) -> Score:
        generated, real = (side.numpy() for side in self.both(4 * FOLDS))
        rng, n = np.random.default_rng(0), min(len(generated), len(real), MOST)
        x, y = (side[rng.permutation(len(side))[:n]] for side in (generated, real))
        rows, labels = np.concatenate([x, y]), np.repeat([1, 0], n)
        # by default, early stopping is on above 10,000 rows only
        trees = HistGradientBoostingClassifier(max_iter=200, max_leaf_nodes=15, early_stopping=True, random_state=0)
        told = cross_val_predict(trees, rows, labels, cv=PredefinedSplit(folds(x, y)))
        value = float((told == labels).mean())
        error = math.sqrt(value * (1 - value) / (2 * n))
        return score(self.name, value, ["scikit-learn"], error=error, parameters={"folds": FOLDS, "rows": n})


def folds(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[Any]:
    """The fold of each row of x (n, d), then of y (n, d): (2n,). Each fold has equally many rows of x and of y.

    A row and its copy on the other side share a fold. Otherwise the classifier would learn the wrong label for the copy, and the accuracy
    of a set against itself would be below 0.5.
    """
    n = len(x)
    _, value = np.unique(np.concatenate([x, y]), axis=0, return_inverse=True)
    key = np.stack([value, np.concatenate([occurrence(value[:n]), occurrence(value[n:])])], 1)
    _, pair, size = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    copied = size[pair] == 2
    found = np.empty(2 * n, dtype=int)
    found[copied] = (np.cumsum(size == 2) - 1)[pair[copied]] % FOLDS
    for side in (np.arange(n), np.arange(n, 2 * n)):
        alone = side[~copied[side]]
        found[alone] = np.arange(len(alone)) % FOLDS
    return found


def occurrence(value: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many equal values come before each one of (n,)."""
    order = np.argsort(value, kind="stable")
    first = np.searchsorted(value[order], value)
    found = np.empty_like(order)
    found[order] = np.arange(len(value))
    return found - first
