"""Decoding policies on a model whose next-token law is known: a Markov chain with a cache that remembers everything."""

from itertools import pairwise

import pytest
import torch

from gentk.errors import UsageError
from gentk.noise import Philox
from gentk.protocols import Begun, DataSpec, Leaf
from gentk.samplers.autoregressive import AutoRegressive, truncated
from gentk.samplers.places import Places

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


@pytest.mark.parametrize("options", [{"temperature": 0}, {"top_k": 1}, {"top_p": 1e-6}, {"min_p": 0.999}])
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
    law = AutoRegressive(top_k=3, top_p=0.51).shaped(logits, torch.zeros(1, 1).long(), torch.zeros(1).long())
    assert int((law > -torch.inf).sum()) == 1  # p is of what top-k left: 0.5/0.95 reaches it


def test_streaming_yields_after_every_token() -> None:
    steps = list(AutoRegressive(temperature=0)(Chain(), 1, noise=Philox(0, [0]), cond={}))
    assert [int(s.x["length"][0]) for s in steps] == list(range(1, len(steps) + 1))  # type: ignore[index]
    for a, b in pairwise(steps):
        k = a.index
        assert torch.equal(a.x["x"][:, :k], b.x["x"][:, :k])  # type: ignore[index]


# ---- pixels
class Grid:
    """2×3 pixels of three levels, column by column: p(token | all before) by a table of random numbers."""

    conditions: dict[str, object] = {}
    stop = None
    data = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 2, 3), levels=3, range=(-1, 1))})
    places = torch.tensor([0, 3, 1, 4, 2, 5])

    def __init__(self) -> None:
        self.weights = torch.randn(6, 3, 7, 3, generator=torch.Generator().manual_seed(0)) * 1.5
        self.fed: list[int] = []

    def logits(self, tokens: torch.Tensor, k: int) -> torch.Tensor:
        """Of token k, given those before it."""
        found = self.weights[0, 0, 6].expand(len(tokens), 3) * (1 + k)
        for i in range(k):
            found = found + self.weights[i, tokens[:, i], k]
        return found

    def begin(self, n: int, cond: dict[str, torch.Tensor]) -> Begun:
        assert not cond
        free = torch.full((n, 6), -1)
        return Begun(self.logits(free, 0), {"tokens": torch.zeros(n, 6).long()}, free, torch.zeros(n).long())

    def next(
        self, tokens: torch.Tensor, cache: dict[str, torch.Tensor], length: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        whole, found = cache["tokens"].clone(), []
        start = int(length[0])
        self.fed.append(tokens.shape[1])
        for i in range(tokens.shape[1]):
            whole[:, start + i] = tokens[:, i]
            found.append(self.logits(whole, min(start + i + 1, 5)))
        return torch.stack(found, 1), {"tokens": whole}

    def log_prob(self, tokens: torch.Tensor) -> torch.Tensor:
        return sum(self.logits(tokens, k).log_softmax(-1).gather(1, tokens[:, k, None])[:, 0] for k in range(6))  # type: ignore[return-value]


def test_tokens_stand_where_their_places_say() -> None:
    places, tokens = Places(Grid()), torch.tensor([[0, 1, 2, 2, 1, 0]])
    x = places.x(tokens)
    assert x.tolist() == [[[[-1.0, 1.0, 0.0], [0.0, 1.0, -1.0]]]] and torch.equal(places.tokens(x), tokens)


def states() -> torch.Tensor:
    return torch.cartesian_prod(*[torch.arange(3)] * 6)


def test_images_follow_the_law() -> None:
    model = Grid()
    *_, last = AutoRegressive()(model, 20_000, noise=Philox(0, range(20_000)), cond={})
    assert set(last.x) == {"x"}  # type: ignore[arg-type]
    codes = (Places(model).tokens(last.x["x"]) * 3 ** torch.arange(5, -1, -1)).sum(1)  # type: ignore[index]
    seen, wanted = torch.bincount(codes, minlength=729) / 20_000, model.log_prob(states()).exp()
    assert float((seen - wanted).abs().sum()) < 0.15  # of 20,000 exact draws it is 0.13 at most in 1,000 tries


def test_known_pixels_are_kept_and_the_rest_is_the_conditional(capsys: pytest.CaptureFixture[str]) -> None:
    """The first two columns are known: the last two tokens are drawn given them, and the four go through the model at once."""
    model = Grid()
    known, mask = torch.tensor([[[[-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]]), torch.tensor([[[[1.0, 1, 0], [1, 1, 0]]]])
    n = 20_000
    cond = {"known": known.expand(n, -1, -1, -1), "known_mask": mask.expand(n, -1, -1, -1)}
    *_, last = AutoRegressive()(model, n, noise=Philox(0, range(n)), cond=cond)
    x = last.x["x"]  # type: ignore[index]
    assert torch.equal(x[..., :2], cond["known"][..., :2]) and model.fed[0] == 4
    tokens = Places(model).tokens(x)
    ends = torch.cat([tokens[:1, :4].expand(9, -1), torch.cartesian_prod(torch.arange(3), torch.arange(3))], 1)
    wanted = model.log_prob(ends).softmax(0)
    seen = torch.bincount(tokens[:, 4] * 3 + tokens[:, 5], minlength=9) / n
    assert float((seen - wanted).abs().max()) < 0.015
    assert "come after" not in capsys.readouterr().err


def test_what_is_known_behind_what_is_drawn_is_kept_and_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gentk.text._noted", set())  # what is said once may have been said
    known, mask = torch.ones(4, 1, 2, 3), torch.zeros(4, 1, 2, 3)
    mask[..., 2] = 1
    *_, last = AutoRegressive()(Grid(), 4, noise=Philox(0, range(4)), cond={"known": known, "known_mask": mask})
    assert bool((last.x["x"][..., 2] == 1).all())  # type: ignore[index]
    assert "come after free ones" in capsys.readouterr().err
    with pytest.raises(UsageError, match="given together"):
        list(AutoRegressive()(Grid(), 4, noise=Philox(0, range(4)), cond={"known": known}))
    with pytest.raises(UsageError, match="every example of this model has all its numbers"):
        list(AutoRegressive(length=3)(Grid(), 4, noise=Philox(0, range(4)), cond={}))


def test_an_image_does_not_see_its_batch() -> None:
    *_, whole = AutoRegressive(temperature=0.8)(Grid(), 8, noise=Philox(0, range(8)), cond={})
    *_, alone = AutoRegressive(temperature=0.8)(Grid(), 1, noise=Philox(0, [5]), cond={})
    assert torch.equal(whole.x["x"][5], alone.x["x"][0])  # type: ignore[index]
