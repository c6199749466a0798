"""How good drawn rows are: two-sample tests of each column, and what a classifier that learned from them knows of real rows.

    python -m tests.tools.judge_tables DRAWN.csv --train REAL.csv --test OTHER.csv --label COLUMN

Figures: the share of columns that no test tells apart at 1 % (Kolmogorov and Smirnov's for numbers and dates, χ² for categories), and
the accuracy on the rows of --test of a classifier that learned from drawn rows, and of one that learned from real ones.
"""

from __future__ import annotations

import argparse

import numpy as np
import polars as pl
from scipy.stats import chi2_contingency, ks_2samp
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

LEVEL = 0.01


def read(path: str) -> pl.DataFrame:
    """A table whose dates are days since 1970."""
    table = pl.read_csv(path, try_parse_dates=True, infer_schema_length=None)
    return table.with_columns(pl.col(pl.Date).to_physical())


def told_apart(real: pl.Series, drawn: pl.Series) -> float:
    """The p value of a two-sample test of one column, over the cells that are there."""
    a, b = real.drop_nulls(), drawn.drop_nulls()
    if a.dtype.is_numeric():
        return float(ks_2samp(a.to_numpy(), b.to_numpy()).pvalue)
    states = sorted({*a.unique(), *b.unique()})
    return float(chi2_contingency([[int((column == state).sum()) for state in states] for column in (a, b)]).pvalue)


def accuracies(train: pl.DataFrame, test: pl.DataFrame, label: str) -> dict[str, float]:
    """Of three classifiers that learned from `train`, on `test`."""
    numbers = [name for name, kind in train.schema.items() if kind.is_numeric() and name != label]
    words = [name for name in train.columns if name not in (*numbers, label)]
    forests = RandomForestClassifier(300, random_state=0), HistGradientBoostingClassifier(random_state=0)
    found = {}
    for model in (LogisticRegression(max_iter=2000), *forests):
        columns = make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
        )
        pipe = make_pipeline(columns, model).fit(train.drop(label).to_pandas(), train[label].to_numpy())
        found[type(model).__name__] = float(np.mean(pipe.predict(test.drop(label).to_pandas()) == test[label].to_numpy()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("drawn")
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--label", required=True)
    given = parser.parse_args()
    drawn, train, test = read(given.drawn), read(given.train), read(given.test)
    p = {name: told_apart(train[name], drawn[name]) for name in train.columns}
    told = [f"{name} (p = {value:.2g})" for name, value in p.items() if value < LEVEL]
    print(f"columns that no test tells apart: {1 - len(told) / len(p):.0%}{'; but ' + ', '.join(told) if told else ''}")
    learned, real = accuracies(drawn, test, given.label), accuracies(train, test, given.label)
    for name, value in learned.items():
        print(f"{name}: {value:.1%} having learned from drawn rows, {real[name]:.1%} from real ones")


if __name__ == "__main__":
    main()
