"""Small measured tables that come with scikit-learn, so that nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gentk.protocols import Column

from . import options
from .decimals import of_values
from .splits import checked
from .table_files import Rows


def iris(split: str = "train", labels: bool = True) -> Rows:
    """Four lengths of 150 irises of three species, cm (Fisher 1936)."""
    from sklearn.datasets import load_iris

    return _table("iris", "species", load_iris(as_frame=True), split, labels)


def wine(split: str = "train", labels: bool = True) -> Rows:
    """Thirteen measurements of 178 wines of three growers (Forina et al. 1991)."""
    from sklearn.datasets import load_wine

    return _table("wine", "grower", load_wine(as_frame=True), split, labels)


def breast_cancer(split: str = "train", labels: bool = True) -> Rows:
    """Thirty measurements of 569 cell nuclei, malignant or benign (Street et al. 1993)."""
    from sklearn.datasets import load_breast_cancer

    return _table("breast-cancer", "diagnosis", load_breast_cancer(as_frame=True), split, labels)


def diabetes(split: str = "train") -> Rows:
    """Ten measurements of 442 patients and how the disease went on after a year (Efron et al. 2004)."""
    from sklearn.datasets import load_diabetes

    options.Bundled()
    found = load_diabetes(as_frame=True, scaled=False)
    return _rows("diabetes", found.frame, split)


def _table(name: str, label: str, found: Any, split: str, labels: bool) -> Rows:
    options.BundledClasses(labels=labels)
    names = tuple(str(one) for one in found.target_names)
    classes = found.target.to_numpy().astype(np.int64) if labels else None
    return _rows(name, found.data, split, classes, label, names)


def _rows(name: str, frame: Any, split: str, classes: Any = None, label: str = "", names: Sequence[str] = ()) -> Rows:
    x = frame.to_numpy().astype(np.float64)
    whole = (x == np.round(x)).all(0)
    columns = tuple(
        Column(name=str(column), kind="integer") if whole[j] else Column(name=str(column), decimals=max(of_values(x[:, j]), 1))
        for j, column in enumerate(frame.columns)
    )
    told = Column(name=label, kind="category", names=tuple(names)) if classes is not None else None
    return Rows(x, columns, classes, told, checked(split, name), 0.2)
