"""Tables: the law of each column, how columns go together, and what a classifier learns from generated rows."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gentk.errors import GentkError
from gentk.evaluation import Collected
from gentk.protocols import Column, DataSpec, Score, Side

from .given import given
from .per_example import ratio

MOST_STATES = 255  # that scikit-learn's histograms take of a category; one with more is read as a number
SIDES: tuple[Side, ...] = ("generated", "training", "real")
Array = NDArray[np.float64]


class _OfTables(Collected):
    keeps = ("x", "label")

    def __init__(self, data: DataSpec) -> None:
        super().__init__(data)
        self.columns: tuple[Column, ...] = data.leaves["x"].columns
        if not self.columns:
            raise GentkError(f"{type(self).__name__} needs rows of a table, and these {data.modality} examples name no columns")

    def table(self, side: Side, least: int = 2) -> Array:
        """(n, C) float64, NaN where a cell is missing. Raises GentkError if there are too few rows, or states that have no name."""
        (rows,) = given(self, side, "x", least=least, gaps=True)
        x: Array = rows.double().numpy()
        if x.ndim != 2 or x.shape[1] != len(self.columns):
            raise GentkError(f"rows of {len(self.columns)} columns are (n, {len(self.columns)}), and {side} x is {x.shape}")
        for column, cells in zip(self.columns, x.T, strict=True):
            if column.kind == "category" and not np.all(np.isnan(cells) | np.isin(cells, np.arange(len(column.names)))):
                raise GentkError(f"column {column.name!r} has {len(column.names)} states, and {side} rows have others: save them again")
        return x


class Marginals(_OfTables):
    """Distance between the laws of each column, 0 to 1, mean over columns.

    Numbers, whole numbers and dates: Kolmogorov-Smirnov's statistic, missing values below all others. Categories: total variation, where
    missing is a category of its own. It is blind to how columns go together.
    """

    def compute(self) -> Score:
        import scipy

        generated, real = self.table("generated"), self.table("real")
        found = [_apart(*column) for column in zip(self.columns, generated.T, real.T, strict=True)]
        return Score(name="marginals", value=float(np.mean(found)), library=f"scipy {scipy.__version__}")


class Correlations(_OfTables):
    """Difference between the associations of generated and of real columns, mean absolute over pairs of columns.

    Numbers: Spearman's ρ. Categories, with missing as a category of its own: Cramér's V. A number and a category: the correlation ratio of
    the number's ranks. Missing numbers leave their rows out of a pair; a column that is constant is associated with nothing. Cramér's V is
    biased upwards by about √(states/n), so it wants as many generated rows as real ones.
    """

    def compute(self) -> Score:
        import scipy

        if len(self.columns) < 2:
            raise GentkError("associations need a table of two columns or more")
        difference = associations(self.table("generated"), self.columns) - associations(self.table("real"), self.columns)
        value = float(np.abs(difference[np.triu_indices(len(self.columns), 1)]).mean())
        kinds = "Spearman, Cramér's V, correlation ratio of ranks"
        return Score(name="correlations", value=value, library=f"scipy {scipy.__version__}", parameters={"associations": kinds})


class TSTR(_OfTables):
    """Train on synthetic, test on real (Esteban et al. 2017): accuracy of gradient boosting that learned from generated rows, divided by
    that of one that learned from as many training rows, both on the real rows. 1: generated rows teach as much.

    The error is the delta method's, over the real rows. A model that knows only what tells the classes apart gets 1 as well.
    """

    def compute(self) -> Score:
        import sklearn

        sides = [(self.table(side, least=10), self._label(side)) for side in SIDES]
        (ours, our_label), (theirs, their_label), (test, test_label) = ((x[y >= 0], y[y >= 0]) for x, y in sides)
        n = min(len(ours), len(theirs))
        if n < 10 or len(test) < 10:
            raise GentkError("tstr needs ten rows or more with a label: generated, training, and real ones")
        # Rows may be sorted; those that are left out must not be the last class.
        first, second = (np.random.default_rng(0).permutation(m)[:n] for m in (len(ours), len(theirs)))
        right = self._right(ours[first], our_label[first], test, test_label)
        right_real = self._right(theirs[second], their_label[second], test, test_label)
        if not right_real.any():
            raise GentkError("tstr has nothing to compare with: no real row's label was found after learning from training rows")
        value, error = ratio(torch.from_numpy(right), torch.from_numpy(right_real))
        parameters: dict[str, str | int | float | bool] = {
            "accuracy": float(right.mean()), "accuracy of training rows": float(right_real.mean()), "rows": n,
        }  # fmt: skip
        library = f"scikit-learn {sklearn.__version__}"
        return Score(name="tstr", value=value, better="higher", error=error, library=library, parameters=parameters)

    def _label(self, side: Side) -> NDArray[np.int64]:
        """(n,); −1 where a row has none."""
        leaf = self.data.conditions.get("label")
        if leaf is None or not leaf.classes:
            raise GentkError("tstr needs a table whose label is a class: give the data set a label column")
        label = given(self, side, "label")[0].reshape(-1).long()
        found: NDArray[np.int64] = label.where(label < leaf.classes, -1).numpy()
        return found

    def _right(self, x: Array, label: NDArray[np.int64], test: Array, truth: NDArray[np.int64]) -> Array:
        """Which labels of `test` are found after learning from x, (n,) of 0 and 1."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        categories = [column.kind == "category" and len(column.names) <= MOST_STATES for column in self.columns]
        model: Any = HistGradientBoostingClassifier(categorical_features=categories, early_stopping=False, random_state=0)
        found: Array = (model.fit(x, label).predict(test) == truth).astype(float)
        return found


def _apart(column: Column, generated: Array, real: Array) -> float:
    """Distance between two samples of one column, 0 to 1."""
    from scipy.stats import ks_2samp

    if column.kind != "category":
        low = [np.nan_to_num(one, nan=-np.inf) for one in (generated, real)]
        return float(ks_2samp(*low, method="asymp").statistic)  # only the p value, unused, depends on the method
    states = len(column.names) + 1
    share = [np.bincount(_states(one, column), minlength=states) / len(one) for one in (generated, real)]
    return float(np.abs(share[0] - share[1]).sum() / 2)


def associations(x: Array, columns: tuple[Column, ...]) -> Array:
    """(C, C) of rows (n, C): Spearman's ρ, Cramér's V or correlation ratio, symmetric, with ones on the diagonal."""
    from scipy.stats import rankdata

    category = [column.kind == "category" for column in columns]
    cells: list[Any] = [
        _states(one, column) if is_category else rankdata(one, nan_policy="omit")
        for one, column, is_category in zip(x.T, columns, category, strict=True)
    ]
    found = np.eye(len(columns))
    for i, j in combinations(range(len(columns)), 2):
        if category[i] and category[j]:
            value = cramers_v(cells[i], cells[j])
        elif category[i] or category[j]:
            states, numbers = (i, j) if category[i] else (j, i)
            value = correlation_ratio(cells[states], cells[numbers])
        else:
            value = _correlation(cells[i], cells[j])
        found[i, j] = found[j, i] = value
    return found


def cramers_v(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """√(χ²/n / (min(r, c) − 1)) of two categories (n,), without bias correction; 0 if one is constant.

    It is counted over the cells that occur, so categories may have many states.
    """
    (a, rows), (b, cols) = (np.unique(one, return_inverse=True, return_counts=True)[1:] for one in (a, b))
    least = min(len(rows), len(cols)) - 1
    if least < 1:
        return 0.0
    cell, counts = np.unique(a * len(cols) + b, return_counts=True)
    phi = float((counts / rows[cell // len(cols)] * (counts / cols[cell % len(cols)])).sum()) - 1
    return math.sqrt(max(phi, 0.0) / least)


def correlation_ratio(states: NDArray[np.int64], y: Array) -> float:
    """η = √(sum of squares between states / total), of y (n,) where it is not missing; 0 if it is constant."""
    there = ~np.isnan(y)
    if not there.any():
        return 0.0
    states, y = states[there], y[there] - y[there].mean()
    total = float(y @ y)
    sums, counts = np.bincount(states, y), np.bincount(states)
    between = float((sums[counts > 0] ** 2 / counts[counts > 0]).sum())
    return math.sqrt(min(between / total, 1.0)) if total > 0 else 0.0


def _correlation(a: Array, b: Array) -> float:
    """Pearson's, over rows where neither is missing; 0 if one is constant there."""
    there = ~(np.isnan(a) | np.isnan(b))
    a, b = a[there], b[there]
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _states(cells: Array, column: Column) -> NDArray[np.int64]:
    """Of a category (n,); missing is the state after the last."""
    return np.nan_to_num(cells, nan=len(column.names)).astype(np.int64)
