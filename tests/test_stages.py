"""Whoever listens hears every question rise from nothing to all of it, and changes no answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import gentk
from gentk.inference.classification import classify
from gentk.inference.encoding import encode
from gentk.inference.imputation import impute
from gentk.inference.interpolation import interpolate, seeds
from gentk.stages import heard, listener, stages

N = 6
X = torch.linspace(-1, 1, 2 * N).view(N, 2)
KNOWN = torch.tensor([[True, False]])

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "likelihood": lambda model: gentk.log_prob(model, {"x": X, "label": torch.zeros(N).long()}, batch_size=2, steps=4),
    "classes": lambda model: classify(model, {"x": X}, batch_size=4, steps=3),
    "filled in": lambda model: impute(model, {"x": X, "label": torch.zeros(N).long()}, KNOWN, batch_size=4, steps=3),
    "codes": lambda model: encode(model, {"x": X, "label": torch.zeros(N).long()}, steps=4),
    "samples": lambda model: gentk.sample(model, N, batch_size=4, steps=3)["x"],
    "between": lambda model: interpolate(model, seeds(model, [0, 1]), 4, cond={"label": 0}, steps=3)["x"],
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_tells_how_far_it_is(question: str) -> None:
    model, ask, shares = gentk.load("ddpm/moons"), QUESTIONS[question], list[float]()
    alone = ask(model)
    with heard(shares.append):
        listened = ask(model)
    assert torch.equal(alone, listened)
    assert len(shares) > 3 and shares == sorted(shares) and 0 <= shares[0] < 0.5
    assert shares[-1] == pytest.approx(1)
    assert listener() is None


def test_a_stage_inside_of_a_stage_is_its_part() -> None:
    shares: list[float] = []
    with heard(shares.append):
        for _ in stages("ab", 2):
            for _ in stages("cd", 2):
                pass
    assert shares == [0.25, 0.5, 0.5, 0.75, 1.0, 1.0]


def test_a_question_that_fails_leaves_no_listener_behind() -> None:
    broken_off = None
    with pytest.raises(RuntimeError), heard(lambda share: None):
        for broken_off in (stages("ab", 2),):
            next(broken_off)
            raise RuntimeError
    assert listener() is None
    del broken_off  # only now is it told that nobody asks for more
    assert listener() is None
