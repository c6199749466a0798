"""Tables: against scipy and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import f_oneway, ks_2samp, rankdata, spearmanr
from scipy.stats.contingency import association, crosstab
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import Tensor

from gentk.errors import GentkError
from gentk.protocols import Column, DataSpec, Leaf
from gentk_metrics.tables import TSTR, Correlations, Marginals, associations, correlation_ratio, cramers_v
from plugins.metrics.tests.parting import measured, same_however_parted

METRICS = {"marginals": Marginals, "correlations": Correlations, "tstr": TSTR}
COLUMNS = (
    Column(name="a", missing=True),
    Column(name="kind", kind="category", names=("x", "y", "z"), missing=True),
    Column(name="b"),
    Column(name="flag", kind="category", names=("no", "yes")),
    Column(name="day", kind="date", format="%Y-%m-%d"),
)
SPEC = DataSpec(
    modality="table",
    leaves={"x": Leaf(shape=(5,), double=True, columns=COLUMNS)},
    conditions={"label": Leaf(classes=2)},
)
Rows = dict[str, Tensor]


def table(n: int = 300, seed: int = 0, missing: float = 0.1) -> Rows:
    """Rows whose columns all depend on the label."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    a = rng.normal(2.0 * label, 1.0)
    kind = np.where(rng.random(n) < 0.6, 2 * label, rng.integers(0, 3, n)).astype(float)
    flag = (rng.random(n) < 0.3 + 0.4 * label).astype(float)
    x = np.stack([a, kind, 1e3 * np.exp(a + rng.normal(0, 0.5, n)), flag, rng.integers(18_000, 19_000, n) + 300 * label], 1)
    x[:, :2][rng.random((n, 2)) < missing] = np.nan
    return {"x": torch.from_numpy(x), "label": torch.from_numpy(label)}


def value(name: str, generated: Rows, real: Rows, training: Rows | None = None, data: DataSpec = SPEC) -> float:
    sides = {"generated": generated, "real": real, **({} if training is None else {"training": training})}
    return measured(lambda: METRICS[name](data), sides)[name].value


def shuffled(rows: Rows, seed: int = 0) -> Rows:
    """Each column in an order of its own: the same marginals, and no associations."""
    rng = np.random.default_rng(seed)
    return {**rows, "x": torch.stack([column[torch.from_numpy(rng.permutation(len(column)))] for column in rows["x"].T], 1)}


@pytest.mark.parametrize("name", METRICS)
def test_parts_and_ranks_do_not_matter(name: str) -> None:
    sides = {"generated": table(60), "real": table(70, 1), "training": table(80, 2)}
    same_however_parted(lambda: METRICS[name](SPEC), sides)


# ---- marginals
def test_marginals_are_scipys_and_the_total_variation() -> None:
    generated, real = table(missing=0), table(200, 1, missing=0)
    generated["x"] = generated["x"] * torch.tensor([1.1, 1, 1, 1, 1])
    columns = list(zip(generated["x"].numpy().T, real["x"].numpy().T, strict=True))
    expected = [ks_2samp(*columns[i]).statistic for i in (0, 2, 4)]
    expected += [sum(abs((a == state).mean() - (b == state).mean()) for state in range(3)) / 2 for a, b in (columns[1], columns[3])]
    assert value("marginals", generated, real) == pytest.approx(np.mean(expected), abs=1e-12)


def test_missing_values_are_a_value_of_their_own() -> None:
    real = table(400, missing=0)
    for column, names in ((0, "a"), (1, "kind")):
        holes = {**real, "x": real["x"].clone()}
        holes["x"][:100, column] = torch.nan  # any rows: KS is at least the share below all others
        assert value("marginals", holes, real) >= 0.25 / 5 - 1e-12, names
        everything = {**real, "x": real["x"].index_fill(1, torch.tensor([column]), torch.nan)}
        assert value("marginals", everything, real) == pytest.approx(1 / 5, abs=1e-12)


def test_disjoint_columns_are_as_far_apart_as_can_be_and_equal_ones_not_at_all() -> None:
    real = table()
    other = {**real, "x": torch.full_like(real["x"], torch.nan)}
    other["x"][:, 2] = -1
    other["x"][:, 3] = 0
    assert value("marginals", real, real) == 0
    assert value("marginals", other, {**real, "x": real["x"].nan_to_num(1).index_fill(1, torch.tensor([3]), 1)}) == 1


# ---- correlations
def test_associations_are_scipys() -> None:
    x = table(missing=0)["x"].numpy()
    found = associations(x, COLUMNS)
    assert found[0, 2] == pytest.approx(spearmanr(x[:, 0], x[:, 2]).statistic, abs=1e-9)
    assert found[4, 2] == pytest.approx(spearmanr(x[:, 4], x[:, 2]).statistic, abs=1e-9)
    counts = crosstab(x[:, 1], x[:, 3]).count
    assert found[1, 3] == pytest.approx(association(counts, method="cramer"), abs=1e-9)
    f = f_oneway(*[rankdata(x[:, 0])[x[:, 1] == state] for state in range(3)]).statistic
    assert found[0, 1] == pytest.approx(np.sqrt(2 * f / (2 * f + len(x) - 3)), abs=1e-9)  # η² = SSB / (SSB + SSW)
    assert np.array_equal(found, found.T)
    monotone = x.copy()
    monotone[:, 2] = np.log(x[:, 2])
    assert associations(monotone, COLUMNS) == pytest.approx(found, abs=1e-12)


def test_associations_take_missing_values_and_constant_columns() -> None:
    x = table()["x"].numpy()
    there = ~np.isnan(x[:, 0])
    assert associations(x, COLUMNS)[0, 2] == pytest.approx(spearmanr(x[there, 0], x[there, 2]).statistic, abs=0.01)
    x[:, 0], x[:, 1], x[:, 2] = np.nan, 1, 5
    found = associations(x, COLUMNS)
    assert np.array_equal(found[:3], np.eye(5)[:3])
    assert cramers_v(np.array([0, 0, 7, 7]), np.array([3, 3, 900_000, 900_000])) == pytest.approx(1, abs=1e-12)
    assert correlation_ratio(np.array([0, 0, 2, 2]), np.array([1.0, 1.0, 3.0, 3.0])) == pytest.approx(1, abs=1e-12)


def test_shuffled_columns_have_marginals_and_no_correlations() -> None:
    real = table(1000, 1)
    assert value("marginals", shuffled(real), real) == pytest.approx(0, abs=1e-12)
    assert value("correlations", real, real) == 0
    assert value("correlations", shuffled(real), real) > 5 * value("correlations", table(1000, 2), real)


# ---- tstr
def test_tstr_is_scikit_learns_accuracy_divided_by_that_of_real_rows() -> None:
    generated, real, training = table(200, 0), table(150, 1), table(200, 2)
    found = measured(lambda: TSTR(SPEC), {"generated": generated, "real": real, "training": training})["tstr"]
    accuracy = []
    for rows in (generated, training):
        order = np.random.default_rng(0).permutation(200)
        model = HistGradientBoostingClassifier(categorical_features=[1, 3], early_stopping=False, random_state=0)
        model.fit(rows["x"].numpy()[order], rows["label"].numpy()[order])
        accuracy.append(model.score(real["x"].numpy(), real["label"].numpy()))
    assert found.value == pytest.approx(accuracy[0] / accuracy[1], abs=1e-12)
    assert found.parameters == {"accuracy": accuracy[0], "accuracy of training rows": accuracy[1], "rows": 200}


def test_rows_that_teach_as_much_score_1_and_wrong_labels_little() -> None:
    real, training = table(400, 1), table(300, 2)
    assert value("tstr", training, real, training) == 1
    wrong = {**training, "label": 1 - training["label"]}
    assert value("tstr", wrong, real, training) < 0.4
    one = {**training, "label": torch.zeros_like(training["label"])}
    constant = measured(lambda: TSTR(SPEC), {"generated": one, "real": real, "training": training})["tstr"]
    assert constant.parameters["accuracy"] == float((real["label"] == 0).double().mean())


def test_rows_without_a_label_are_left_out_and_both_learn_from_as_many() -> None:
    real, training, generated = table(200, 1), table(250, 2), table(300, 0)
    generated["label"][:180] = 2  # the trained "none"
    found = measured(lambda: TSTR(SPEC), {"generated": generated, "real": real, "training": training})["tstr"]
    assert found.parameters["rows"] == 120
    swapped = measured(lambda: TSTR(SPEC), {"generated": training, "real": real, "training": generated})["tstr"]
    assert swapped.parameters["rows"] == 120
    assert swapped.parameters["accuracy of training rows"] == found.parameters["accuracy"]


def test_a_category_of_many_states_is_taken() -> None:
    columns = (Column(name="id", kind="category", names=tuple(map(str, range(400)))), Column(name="b"))
    data = DataSpec(
        modality="table", leaves={"x": Leaf(shape=(2,), double=True, columns=columns)}, conditions={"label": Leaf(classes=2)}
    )
    rng = np.random.default_rng(0)
    x = np.stack([rng.permutation(400), rng.normal(size=400)], 1).astype(float)
    rows = {"x": torch.from_numpy(x), "label": torch.from_numpy((x[:, 1] > 0).astype(int))}
    assert value("tstr", rows, rows, rows, data) == 1


# ---- bad input
def test_what_cannot_be_measured_is_said_in_one_line() -> None:
    good = table(50)
    infinite = {**good, "x": good["x"].index_fill(1, torch.tensor([2]), torch.inf)}
    strange = {**good, "x": good["x"].index_fill(1, torch.tensor([1]), 7.0)}
    for message, bad in (
        ("needs at least 2 of them, and there are 1|needs at least 10 of them", {key: one[:1] for key, one in good.items()}),
        ("not finite in 50 of 50", infinite),
        ("column 'kind' has 3 states, and generated rows have others", strange),
        ("rows of 5 columns", {**good, "x": good["x"][:, :4]}),
    ):
        for name in METRICS:
            with pytest.raises(GentkError, match=message) as raised:
                value(name, bad, good, good)
            assert "\n" not in str(raised.value)


def test_tables_without_columns_or_labels_are_refused() -> None:
    good = table(50)
    points = DataSpec(modality="points", leaves={"x": Leaf(shape=(5,))})
    for name, metric in METRICS.items():
        with pytest.raises(GentkError, match="name no columns"):
            value(name, good, good, good, points)
        assert metric
    unlabelled: Any = SPEC.model_copy(update={"conditions": {}})
    with pytest.raises(GentkError, match="give the data set a label column"):
        value("tstr", good, good, good, unlabelled)
    with pytest.raises(GentkError, match="no real row's label"):
        value("tstr", good, {**good, "label": torch.ones(50).long()}, {**good, "label": torch.zeros(50).long()})
    with pytest.raises(GentkError, match="ten rows or more with a label"):
        value("tstr", {**good, "label": torch.full((50,), 2)}, good, good)
    one = SPEC.model_copy(update={"leaves": {"x": Leaf(shape=(1,), double=True, columns=COLUMNS[:1])}})
    with pytest.raises(GentkError, match="two columns"):
        value("correlations", {"x": good["x"][:, :1]}, {"x": good["x"][:, :1]}, None, one)
