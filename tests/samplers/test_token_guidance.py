"""Classifier-free guidance of tokens: the guided law by hand, with caches of both kinds."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from gentk.conditions import Label
from gentk.errors import UsageError
from gentk.noise import Philox
from gentk.protocols import Begun, Leaf
from gentk.samplers.autoregressive import AutoRegressive
from gentk.samplers.beam import Beam
from gentk.samplers.speculative import drafted
from gentk.samplers.token_guidance import GuidedTokens

from .tabled import Tabled
from .test_leaves import counted, fits

TEXT = Leaf(shape=(3,), classes=3)
N = 20_000


class Labelled(Tabled):
    """A table for each of two classes, and one for none. The label is in the cache."""

    def __init__(self, seed: int = 0, *, positional: bool = True, dropout: bool = True) -> None:
        super().__init__(TEXT, positional=positional)
        self.conditions = {"label": Label(classes=2, dropout=dropout)}
        self.tables = 1.5 * torch.randn(3, *self.table.shape, generator=torch.Generator().manual_seed(seed))

    def begin(self, n: int, cond: Mapping[str, Tensor]) -> Begun:
        _, cache, given, length = super().begin(n, {})
        return Begun(self.tables[cond["label"], 0], {**cache, "label": cond["label"].clone()}, given, length)

    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits, after = super().next(tokens, {key: value for key, value in cache.items() if key != "label"}, length)
        held = after["tokens" if self.positional else "state"]
        for j in range(tokens.shape[1]):
            logits[:, j] = self.tables[cache["label"], self.number(held, length + j + 1).clamp(max=len(self.table) - 1)]
        return logits, {**after, "label": cache["label"]}

    def guided_chance(self, row: tuple[int, ...], label: int, weight: float) -> float:
        tokens, chance = torch.tensor([row]), 1.0
        for k, token in enumerate(row):
            place = int(self.number(tokens, torch.tensor([k])))
            asked, free = self.tables[label, place].double(), self.tables[2, place].double()
            chance *= float((free + weight * (asked - free)).softmax(0)[token])
        return chance


@pytest.mark.parametrize("positional", [True, False])
@pytest.mark.parametrize("draft", [False, True])
@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_texts_follow_the_guided_law(weight: float, positional: bool, draft: bool) -> None:
    model = Labelled(positional=positional)
    asked = drafted(model, Labelled(seed=1, positional=not positional)) if draft else model
    cond = {"label": torch.tensor([0, 1]).repeat(N // 2)}
    *_, last = AutoRegressive(guidance=weight)(asked, N, noise=Philox(0, range(N)), cond=cond)
    for label in (0, 1):
        found = counted(last.x["x"][label::2])  # type: ignore[call-overload]
        assert fits(found, {row: model.guided_chance(row, label, weight) for row in model.texts()})


def test_beam_search_is_guided() -> None:
    model = Labelled()
    *_, last = Beam(guidance=3, width=9)(model, 2, noise=Philox(0, range(2)), cond={"label": torch.tensor([0, 1])})
    for label in (0, 1):
        wanted = max(model.texts(), key=lambda row: model.guided_chance(row, label, 3.0))
        assert tuple(last.x["x"][label].tolist()) == wanted  # type: ignore[call-overload]


def test_a_model_that_was_never_without_its_label_is_refused() -> None:
    with pytest.raises(UsageError, match="leave it at 1"):
        GuidedTokens(Labelled(dropout=False), 2.0)
