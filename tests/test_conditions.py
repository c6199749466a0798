"""What a condition takes from Python: tensors, lists and single values, and what it refuses in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gentk.conditions import File, Label, Number, Text
from gentk.errors import UsageError
from gentk.inference.opening import opened
from gentk.known_rows import Row
from gentk.protocols import Column, DataSpec, Leaf

SHARE = Number(low=0.7, high=1.1)
TABLE = DataSpec(
    modality="table",
    leaves={"x": Leaf(shape=(2,), double=True, columns=(Column(name="age"), Column(name="height")))},
    conditions={"label": Leaf(classes=3)},
)


def test_a_bound_that_went_through_float32_is_still_the_bound() -> None:
    given = torch.tensor([0.7, 1.1, 1.0])
    assert float(given[0]) < 0.7 and float(given[1]) > 1.1
    assert torch.equal(SHARE.prepare(given, 3), given)
    assert torch.equal(Number(low=0.0).prepare(torch.tensor([0.0]), 2), torch.zeros(2))


@pytest.mark.parametrize("value", [0.9, torch.tensor(0.9), [0.9], ["0.9"], torch.tensor([[0.9]])])
def test_one_number_is_for_all(value: Any) -> None:
    assert SHARE.prepare(value, 2).tolist() == pytest.approx([0.9, 0.9])


@pytest.mark.parametrize(
    ("condition", "value", "word"),
    [
        (SHARE, 0.69, "0.7"),
        (SHARE, float("nan"), "finite"),
        (Number(), [float("inf")], "finite"),
        (SHARE, [], "empty"),
        (Label(classes=3), [], "empty"),
        (Label(classes=3), [1.9], "whole number"),
        (Label(classes=3), torch.tensor([0.5]), "whole number"),
        (Label(classes=3), [3], "no class 3"),
        (Text(length=2), [], "empty"),
        (File(shape=(1, 2, 2)), "x.png", "'x.png' is the name of a file"),
        (Row(TABLE), "rows.csv", "'rows.csv' is the name of a file"),
    ],
)
def test_what_is_refused(condition: Any, value: Any, word: str) -> None:
    with pytest.raises(ValueError, match=word) as error:
        condition.prepare(value, 2)
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------- files
def test_files_become_numbers_and_the_rest_stays(tmp_path: Path) -> None:
    np.savez(tmp_path / "past.npz", x=np.arange(4.0).reshape(1, 2, 2))
    conditions = {"history": File(shape=(2, 2), double=True, modality="series"), "share": SHARE, "prompt": Text(length=3)}
    found = opened({"history": str(tmp_path / "past.npz"), "share": "0.9", "prompt": "ab", "unknown": "c"}, conditions)
    assert conditions["history"].prepare(found.pop("history"), 1)[0].tolist() == [[0, 1], [2, 3]]
    assert found == {"share": "0.9", "prompt": "ab", "unknown": "c"}


@pytest.mark.parametrize(("asked", "label"), [({}, [1]), ({"label": 2}, 2)])
def test_a_file_of_rows_says_the_label_that_nobody_asked_for(asked: dict[str, Any], label: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("age,label\n31,1\n")
    found = opened({"known": str(tmp_path / "rows.csv"), **asked}, {"known": Row(TABLE), "label": Label(classes=3)})
    assert found["label"] == label and found["known"][0, 0] == 31 and np.isnan(found["known"][0, 1])


class Refusing:
    """A stranger's condition that knows files."""

    modality = "points"

    def read(self, file: str, kind: Any) -> dict[str, Any]:
        raise ValueError(f"{type(kind).__name__} {file}")


def test_what_a_condition_refuses_of_a_file_names_the_condition() -> None:
    with pytest.raises(UsageError, match=r"^thing: Points a\.csv$"):
        opened({"thing": "a.csv"}, {"thing": Refusing()})  # type: ignore[dict-item]
