"""Tokens guided away from a weaker model: the law by hand, with caches of both kinds."""

from __future__ import annotations

import pytest
import torch

import gentk
from gentk.errors import UsageError
from gentk.noise import Philox
from gentk.protocols import Leaf
from gentk.samplers.autoregressive import AutoRegressive
from gentk.samplers.beam import Beam
from gentk.samplers.beside import Contrasted

from .tabled import Tabled
from .test_leaves import counted, fits

TEXT = Leaf(shape=(3,), classes=3)
N = 20_000


def chance(strong: Tabled, weak: Tabled, row: tuple[int, ...], weight: float, plausible: float) -> float:
    tokens, total = torch.tensor([row]), 1.0
    for k, token in enumerate(row):
        number = strong.number(tokens, torch.tensor([k]))
        ours, theirs = (m.logits(number)[0].double().log_softmax(0) for m in (strong, weak))
        score = (theirs + weight * (ours - theirs)).exp()
        score[ours.exp() < plausible * ours.exp().max()] = 0
        total *= float(score[token] / score.sum())
    return total


@pytest.mark.parametrize("positional", [True, False])
@pytest.mark.parametrize("weight, plausible", [(1.0, 0.0), (1.5, 0.1), (3.0, 0.4)])
def test_texts_follow_the_contrasted_law(weight: float, plausible: float, positional: bool) -> None:
    strong, weak = Tabled(TEXT, positional=positional), Tabled(TEXT, seed=1, positional=not positional)
    model = Contrasted(strong, weak, weight, plausible=plausible)
    *_, last = AutoRegressive()(model, N, noise=Philox(0, range(N)), cond={})
    wanted = {row: chance(strong, weak, row, weight, plausible) for row in strong.texts()}
    assert sum(wanted.values()) == pytest.approx(1)
    assert fits(counted(last.x["x"]), {row: p for row, p in wanted.items() if p})  # type: ignore[call-overload]


def test_beam_search_is_contrasted_and_guided_is_public() -> None:
    strong, weak = Tabled(TEXT), Tabled(TEXT, seed=3)
    *_, last = Beam(width=9)(gentk.guided(strong, weak, 3.0), 1, noise=Philox(0, [0]), cond={})
    wanted = max(strong.texts(), key=lambda row: chance(strong, weak, row, 3.0, 0.1))
    assert tuple(last.x["x"][0].tolist()) == wanted  # type: ignore[call-overload]
    assert wanted != max(strong.texts(), key=lambda row: chance(strong, weak, row, 1.0, 0.1))


def test_a_guide_of_other_tokens_is_refused() -> None:
    with pytest.raises(UsageError, match="--guide: its examples have other classes"):
        gentk.guided(Tabled(TEXT), Tabled(Leaf(shape=(3,), classes=4)))
    with pytest.raises(UsageError, match="--guide: its tokens have another stop token"):
        gentk.guided(Tabled(TEXT), Tabled(TEXT, stop=1))
