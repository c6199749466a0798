"""What a command looks at: which conditions must be said, and where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gentk.cli.examples import dataset_of, examples
from gentk.cli.subject import Subject
from gentk.errors import UsageError
from tests.closed_forms import TwoGaussians


@pytest.fixture
def found() -> Subject:
    """Weights of a model whose label was never left out in training."""
    model = TwoGaussians()
    conditions = {key: condition.model_dump() for key, condition in model.conditions.items()}
    nothing: Any = None
    return Subject("weights", Path(), {"data": model.data.model_dump(), "conditions": conditions}, nothing, {})


def test_a_label_that_nobody_says_is_asked_for_or_left_out(found: Subject, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x0\n1.5\n-0.5\n")
    file = str(tmp_path / "p.csv")
    with pytest.raises(UsageError, match="say which label these are: --label"):
        examples(found, file, None, None, 9, {})
    assert set(examples(found, file, None, None, 9, {}, optional=("label",))) == {"x"}
    told = examples(found, file, None, None, 9, {"label": [1, 0]})
    assert told["label"].tolist() == [1, 0] and told["x"].tolist() == [[1.5], [-0.5]]


def test_a_file_brings_its_labels_and_they_are_checked(found: Subject, tmp_path: Path) -> None:
    file = tmp_path / "s.npz"
    for labels in ([1, 0, 1], [1, 0, 7]):
        np.savez(file, x=np.zeros((3, 1), np.float32), cond_label=np.array(labels))
        if max(labels) < 2:
            assert examples(found, str(file), None, None, 2, {})["label"].tolist() in ([1, 0], [1, 1], [0, 1])
            assert examples(found, str(file), None, None, 9, {"label": [0]})["label"].tolist() == [0, 0, 0]
        else:
            with pytest.raises(UsageError, match="label: no class 7"):
                examples(found, str(file), None, None, 9, {})


def test_of_a_file_all_are_looked_at_and_of_some_their_order_stays(
    found: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.csv").write_text("x0\n" + "\n".join(map(str, range(100))))
    asked: Any = (found, str(tmp_path / "p.csv"), None, None)
    assert examples(*asked, None, {"label": 0}, few=16)["x"][:, 0].tolist() == list(range(100))
    some = examples(*asked, 7, {"label": 0}, few=16)["x"][:, 0].tolist()
    assert len(some) == 7 and some == sorted(some) and max(some) > 30
    assert not capsys.readouterr().err
    assert len(examples(*asked, None, {"label": 0}, few=16, whole=False)["x"]) == 16
    assert "16 of its examples; -n takes more" in capsys.readouterr().err
    with pytest.raises(UsageError, match="--split"):
        examples(found, str(tmp_path / "p.csv"), None, "test", None, {"label": 0})


def test_missing_numbers_are_let_through_only_to_those_who_fill_them(found: Subject, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x0\n1.5\n \n")
    asked: Any = (found, str(tmp_path / "p.csv"), None, None, 9, {"label": [1]})
    with pytest.raises(UsageError, match="gentk impute"):
        examples(*asked)
    assert examples(*asked, gaps=True)["x"].isnan().tolist() == [[False], [True]]


def test_a_data_set_gives_labels_to_those_who_ask(tmp_path: Path) -> None:
    """Trained without labels, drawn with them."""
    nothing: Any = None
    (tmp_path / "recipe.toml").write_text(
        '[model]\nplugin = "ddpm"\nname = "ddpm-points"\n[dataset]\nname = "moons"\noptions = {labels = false}\n'
    )
    weights = Subject("weights", tmp_path, {"plugin": "ddpm"}, nothing, {})
    assert "label" not in dataset_of(weights).spec.conditions
    assert "label" in dataset_of(weights, labels=True, nonsense=3).spec.conditions
