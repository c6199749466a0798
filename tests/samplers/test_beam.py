"""Beam search finds the best of all sequences, as enumeration does."""

import itertools

import pytest
import torch

from gentk.errors import UsageError
from gentk.noise import Philox
from gentk.protocols import Leaf
from gentk.samplers.autoregressive import AutoRegressive
from gentk.samplers.beam import Beam

from .tabled import Tabled

TEXT = Leaf(shape=(5,), classes=3, names=("a", "b", "\n"))


def run(model: Tabled, n: int = 1, cond: dict[str, torch.Tensor] | None = None, **options: object) -> list[tuple[int, ...]]:
    *_, last = Beam(**options)(model, n, noise=Philox(0, range(n)), cond=cond or {})  # type: ignore[arg-type]
    x = last.x["x"].flatten(1)  # type: ignore[call-overload]
    lengths = last.x["length"].tolist() if "length" in last.x else [x.shape[1]] * n  # type: ignore[call-overload]
    assert all(not any(row[k:]) for row, k in zip(x.tolist(), lengths, strict=True))
    return [tuple(row[:k]) for row, k in zip(x.tolist(), lengths, strict=True)]


def score(model: Tabled, row: tuple[int, ...], penalty: float, before: int = 0) -> float:
    return (model.log_chance(row) - model.log_chance(row[:before])) / (len(row) - before) ** penalty


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("penalty", [-1.0, 0.0, 0.7, 2.0])
@pytest.mark.parametrize("stop", [None, 2])
def test_a_wide_beam_finds_the_optimum(seed: int, penalty: float, stop: int | None) -> None:
    model = Tabled(TEXT, seed=seed, stop=stop, counted=True, positional=bool(seed % 2))
    wanted = max(model.texts(), key=lambda row: score(model, row, penalty))
    assert run(model, width=81, length_penalty=penalty) == [wanted]


def reference(model: Tabled, width: int) -> tuple[int, ...]:
    """Beam search by hand, of lists."""
    beams: list[tuple[int, ...]] = [()]
    finished: list[tuple[int, ...]] = []
    for _ in range(model.room):
        grown = [(*row, t) for row in beams for t in range(model.v)]
        grown = sorted(grown, key=model.log_chance, reverse=True)[: 2 * width]
        finished += [row for row in grown if row[-1] == model.stop or len(row) == model.room]
        beams = [row for row in grown if row[-1] != model.stop and len(row) < model.room][:width]
    return max(finished, key=model.log_chance)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_narrow_beam_keeps_the_likeliest_beginnings(width: int) -> None:
    for seed in range(12):
        model = Tabled(TEXT, seed=seed, stop=2, counted=True)
        assert run(model, width=width) == [reference(model, width)]


def test_width_one_is_greedy_and_all_rows_are_alike() -> None:
    model = Tabled(TEXT, seed=4)
    *_, last = AutoRegressive(temperature=0)(model, 1, noise=Philox(0, [0]), cond={})
    assert run(model, 3, width=1) == 3 * [tuple(last.x["x"][0].tolist())]  # type: ignore[call-overload]


def test_rows_with_prompts_of_different_length() -> None:
    model = Tabled(TEXT, seed=2, stop=2, counted=True)
    prompt = torch.tensor([[0, 1, -1, -1, -1], [1, -1, -1, -1, -1], [0, 0, 0, 0, -1], [1, 1, 1, 1, 1]])
    for row, given in zip(run(model, 4, {"prompt": prompt}, width=81, length_penalty=1.0), prompt.tolist(), strict=True):
        before = tuple(t for t in given if t >= 0)
        texts = [text for text in model.texts() if text[: len(before)] == before and len(text) > len(before)] or [before]
        assert row == max(texts, key=lambda text: score(model, text, 1.0, len(before)) if len(text) > len(before) else 0.0)


def test_what_is_known_later_is_counted() -> None:
    """The likeliest beginning is the one that leads best to the known last number."""
    leaf = Leaf(shape=(1, 2, 2), levels=3, range=(0.0, 2.0))
    for seed in range(6):
        model = Tabled(leaf, seed=seed, modality="image")
        cond = {"known": torch.ones(1, 1, 2, 2), "known_mask": torch.tensor([[[[0.0, 0.0], [0.0, 1.0]]]])}
        wanted = max((row for row in itertools.product(range(3), repeat=4) if row[3] == 1), key=model.log_chance)
        assert run(model, cond=cond, width=27) == [tuple(float(t) for t in wanted)]


def test_patterns_and_stop_texts() -> None:
    pytest.importorskip("interegular")
    model = Tabled(TEXT, seed=1, counted=True)
    fitting = [row for k in range(1, 6) for row in itertools.product(range(3), repeat=k) if row[-1] == 1 and all(t == 0 for t in row[:-1])]
    assert run(model, width=81, pattern="a*b") == [max(fitting, key=model.log_chance)]
    row = run(model, width=81, stop="b")[0]
    assert 1 not in row


def test_nothing_possible_is_said() -> None:
    model = Tabled(TEXT, counted=True)
    with torch.no_grad():
        model.table.fill_(0.0)[:, 0] = -torch.inf
    pytest.importorskip("interegular")
    with pytest.raises(UsageError, match="probability"):
        run(model, pattern="a+")
