"""What every distance between two sets of features promises."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gentk.errors import GentkError
from gentk.host import resolve
from gentk_metrics import pairwise
from plugins.metrics.tests.two_sets import SPECS, fed, measured, metric, normal, told

NAMES = ["frechet", "frechet-infinity", "kid", "mmd", "prdc", "w2", "sliced-w2", "energy", "c2st", "diversity"]
OPTIONS: dict[str, dict[str, Any]] = {name: {} for name in NAMES}
OPTIONS |= {"kid": {"subsets": 5, "subset_size": 20}, "prdc": {"k": 3}, "sliced-w2": {"projections": 20}}
GENERATED, REAL = normal(41, 3, 1) * 1.2 + 0.3, normal(50, 3, 2)


def values(name: str, generated: Tensor = GENERATED, real: Tensor = REAL) -> dict[str, float]:
    return {key: score.value for key, score in measured(name, generated, real, **OPTIONS[name]).items()}


@pytest.mark.parametrize("name", NAMES)
def test_parts_and_ranks_change_nothing(name: str) -> None:
    whole = values(name)
    for size in (1, 7, 50):
        parted = fed(metric(name, **OPTIONS[name]), GENERATED, REAL, size)
        ranks = [fed(metric(name, **OPTIONS[name]), x, y, size) for x, y in zip(GENERATED.chunk(3), REAL.chunk(3), strict=True)]
        states = [rank.state() for rank in ranks]
        kept = [{key: tensor.clone() for key, tensor in state.items()} for state in states]
        merged = metric(name, **OPTIONS[name])
        for state in states:
            merged.merge(state)
        for found in (parted, merged):
            assert {key: score.value for key, score in told(found).items()} == pytest.approx(whole, abs=1e-9, rel=1e-9)
        fed(ranks[0], GENERATED, REAL)
        for state, before in zip(states, kept, strict=True):  # which neither merging nor what came after has changed
            assert all(torch.equal(tensor, before[key]) for key, tensor in state.items())


@pytest.mark.parametrize("name", NAMES)
def test_an_offset_changes_nothing(name: str) -> None:
    if name == "kid":
        pytest.skip("its kernel is about 0")
    grid = 2.0**-20  # of which features near 1e5 are still multiples
    x, y = ((side / grid).round() * grid for side in (GENERATED, REAL))
    assert values(name, x + 1e5, y + 1e5) == pytest.approx(values(name, x, y), abs=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_noise_is_told(name: str) -> None:
    good, real, noise = normal(200, 3, 3), normal(200, 3, 4), 2 * normal(200, 3, 5)
    before, after = measured(name, good, real, **OPTIONS[name]), measured(name, good + noise, real, **OPTIONS[name])
    floor = measured(name, real, good, **OPTIONS[name])
    assert before.keys() == after.keys()
    for key in before.keys() - {"recall"}:  # a wide set recalls all
        worse, better = after[key].value, before[key].value
        far, near = (abs(found - floor[key].value) for found in (worse, better))
        assert {"lower": worse > better, "higher": worse < better, "floor": far > 2 * near}[before[key].better], key


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_measured_is_said_in_one_line(name: str) -> None:
    for x, about in ((GENERATED[:0], "0"), (GENERATED[:1], "1"), (GENERATED.index_fill(0, torch.tensor([4]), float("nan")), "NaN")):
        with pytest.raises(GentkError, match=f"^{name}.*generated.*{about}") as said:
            values(name, x)
        assert "\n" not in str(said.value)
    if name != "diversity":
        with pytest.raises(GentkError, match=f"^{name}.*real"):
            values(name, real=REAL[:1])
    with pytest.raises(GentkError, match=f"^{name}.*0"):
        told(metric(name))
    with pytest.raises(GentkError, match=f"^{name}.*beyond"):
        values(name, GENERATED * 1e160, REAL * 1e160)
    assert all(map(math.isfinite, values(name, GENERATED * 1e24, REAL * 1e24).values()))


@pytest.mark.parametrize("name", NAMES)
def test_scores_say_whose_arithmetic_it_is_and_with_what(name: str) -> None:
    for score in measured(name, GENERATED, REAL, **OPTIONS[name]).values():
        assert all(part.split(" ")[1][0].isdigit() for part in score.library.split(", "))
        assert OPTIONS[name].items() <= score.parameters.items()
    if options := SPECS[name].options:
        metric(name, **resolve(options)().model_dump())
        with pytest.raises(ValueError, match="neighbors"):
            metric(name, neighbors=3)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = values(name)
    monkeypatch.setattr(pairwise, "TABLE", 130)  # pairs: two or three rows at once
    assert values(name) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("name", ["mmd", "prdc", "energy", "diversity"])
def test_an_offset_costs_no_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    again = 0

    def counted(rows: Tensor) -> Tensor:
        nonlocal again
        again += len(rows) * (rows.shape[1] == 8)  # differences of features
        return rows.square()

    monkeypatch.setattr(Tensor, "square_", counted)
    values(name, normal(500, 8) + 1e5, normal(500, 8, 1) + 1e5)
    assert 0 < again < 1020  # a row and itself, and few pairs besides
