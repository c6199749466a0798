"""Decoding policies on a model whose next-token law is known: a Markov chain with a cache that remembers everything."""

from itertools import pairwise

import pytest
import torch

from gentk.noise import Philox
from gentk.protocols import Begun, DataSpec, Leaf
from gentk.samplers.autoregressive import AutoRegressive, truncated

TABLE = torch.tensor([[0.1, 0.6, 0.2, 0.1], [0.05, 0.15, 0.7, 0.1], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 1.0, 0.0]])
LENGTH = 10


class Chain:
    """P(next | token) = TABLE[token]. The cache holds what was fed, so that a wrong row or place is seen."""

    conditions: dict[str, object] = {}
    stop = 0
    data = DataSpec(modality="text", leaves={"x": Leaf(shape=(LENGTH,), classes=4), "length": Leaf(classes=LENGTH + 1)})

    def __init__(self) -> None:
        self.rows: list[int] = []  # how many rows each call had to compute

    def begin(self, n: int, cond: dict[str, torch.Tensor]) -> Begun:
        given = cond.get("prompt", torch.full((n, LENGTH), -1))
        length = (given >= 0).long().cumprod(1).sum(1).clamp(min=0)
        fed = torch.full((n, LENGTH), -1)
        for i in range(n):
            fed[i, : length[i]] = given[i, : length[i]]
        last = torch.where(length > 0, given.gather(1, (length - 1).clamp(min=0)[:, None])[:, 0], 1)
        return Begun(TABLE[last].log(), {"fed": fed}, given, length)

    def next(
        self, tokens: torch.Tensor, cache: dict[str, torch.Tensor], length: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        fed, rows = cache["fed"].clone(), torch.arange(len(tokens))
        assert bool((fed[rows, length] == -1).all()), "a place was fed twice"
        assert bool(((length == 0) | (fed[rows, (length - 1).clamp(min=0)] >= 0)).all()), "a place was left out"
        fed[rows, length] = tokens[:, 0]
        self.rows.append(len(tokens))
        return TABLE[tokens].log(), {"fed": fed}


def run(
    n: int, rows: list[int] | None = None, prompt: list[list[int]] | None = None, **options: object
) -> tuple[torch.Tensor, torch.Tensor, Chain]:
    model, cond = Chain(), {}
    if prompt:
        given = torch.full((n, LENGTH), -1)
        for i in range(n):
            row = prompt[i % len(prompt)]
            given[i, : len(row)] = torch.tensor(row)
        cond = {"prompt": given}
    *_, last = AutoRegressive(**options)(model, n, noise=Philox(0, rows or range(n)), cond=cond)  # type: ignore[arg-type]
    return last.x["x"], last.x["length"], model


def test_tokens_follow_the_chain() -> None:
    x, length, _ = run(6000)
    counts = torch.zeros(4, 4)
    for a in range(LENGTH - 1):
        alive = length > a + 1
        for i, j in zip(x[alive, a].tolist(), x[alive, a + 1].tolist(), strict=True):
            counts[i, j] += 1
    share = counts[1:] / counts[1:].sum(1, keepdim=True)
    assert torch.allclose(share, TABLE[1:], atol=0.02)


def test_rows_end_at_the_stop_token_and_cost_nothing_after() -> None:
    x, length, model = run(200)
    for row, stop in zip(x.tolist(), length.tolist(), strict=True):
        assert 0 not in row[: stop - 1] and (row[stop - 1] == 0 or stop == LENGTH) and not any(row[stop:])
    assert model.rows == sorted(model.rows, reverse=True) and model.rows[-1] < 200


def test_a_row_does_not_see_its_batch() -> None:
    whole, _, _ = run(16, prompt=[[1, 2], [3]])
    for i in (0, 5, 15):
        alone, _, _ = run(1, rows=[i], prompt=[[1, 2], [3]][i % 2 :][:1])
        assert torch.equal(alone[0], whole[i])


def test_prompts_of_any_length_and_holes_are_kept() -> None:
    x, length, _ = run(60, prompt=[[1, 2, -1, 3], [2], [1, 1, 1, 1, 1, 1, 1, 1, 1, 3]])
    assert bool((x[::3, :2] == torch.tensor([1, 2])).all()) and bool((x[::3, 3][length[::3] > 3] == 3).all())
    assert bool((x[1::3, 0] == 2).all()) and bool((length[2::3] == LENGTH).all())


@pytest.mark.parametrize("options", [{"temperature": 0}, {"top_k": 1}, {"top_p": 1e-6}])
def test_greedy_in_three_ways(options: dict[str, float]) -> None:
    x, _, _ = run(3, prompt=[[1]], length=3, **options)
    assert x[:, :2].tolist() == [[1, 2]] * 3


def test_length_is_a_limit_on_all_tokens() -> None:
    _, length, _ = run(50, prompt=[[3]], length=4)
    assert int(length.max()) == 4


def test_the_nucleus_is_the_smallest_set_that_reaches_p() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    kept = {p: int((truncated(logits, 0, p) > -torch.inf).sum()) for p in (0.3, 0.5, 0.51, 0.8, 0.95, 0.96, 1.0)}
    assert kept == {0.3: 1, 0.5: 1, 0.51: 2, 0.8: 2, 0.95: 3, 0.96: 4, 1.0: 4}
    assert int((truncated(logits, 3, 0.51) > -torch.inf).sum()) == 1  # p is of what top-k left: 0.5/0.95 reaches it


def test_streaming_yields_after_every_token() -> None:
    steps = list(AutoRegressive(temperature=0)(Chain(), 1, noise=Philox(0, [0]), cond={}))
    assert [int(s.x["length"][0]) for s in steps] == list(range(1, len(steps) + 1))  # type: ignore[index]
    for a, b in pairwise(steps):
        k = a.index
        assert torch.equal(a.x["x"][:, :k], b.x["x"][:, :k])  # type: ignore[index]
