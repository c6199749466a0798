"""Tokens of leaves of any shape: their values, their order, and drawing the rest of what is known, against enumeration."""

import itertools

import pytest
import torch
from scipy.stats import chisquare

from gentk.errors import UsageError
from gentk.noise import Philox
from gentk.protocols import Leaf
from gentk.samplers.autoregressive import AutoRegressive
from gentk.samplers.places import Places
from gentk.samplers.speculative import drafted

from .tabled import Tabled

ORDER = [3, 0, 2, 1]
LEVELS = Leaf(shape=(1, 2, 2), levels=3, range=(-1.0, 1.0))
CODES = Leaf(shape=(2, 2), classes=3)


def drawn(model: object, n: int, cond: dict[str, torch.Tensor] | None = None, rows: range | None = None, **options: object) -> torch.Tensor:
    steps = AutoRegressive(**options)(model, n, noise=Philox(3, rows or range(n)), cond=cond or {})  # type: ignore[arg-type]
    *_, last = steps
    assert set(last.x) == {"x"}  # nothing of a length
    return last.x["x"]  # type: ignore[call-overload,no-any-return]


def fits(counts: dict[tuple[int, ...], int], chances: dict[tuple[int, ...], float]) -> bool:
    """Whether these counts are draws of the law, by a chi-squared test at 1 %; rare ones are taken together."""
    n, total = sum(counts.values()), sum(chances.values())
    assert abs(total - 1) < 1e-6 and set(counts) <= set(chances)
    often = [row for row in chances if n * chances[row] >= 5]
    seen, wanted = [counts.get(row, 0) for row in often], [n * chances[row] for row in often]
    if n - sum(wanted) > 5:
        seen, wanted = [*seen, n - sum(seen)], [*wanted, n - sum(wanted)]
    scale = sum(seen) / sum(wanted)
    return bool(chisquare(seen, [w * scale for w in wanted]).pvalue > 0.01)


def counted(tokens: torch.Tensor) -> dict[tuple[int, ...], int]:
    rows, counts = tokens.unique(dim=0, return_counts=True)
    return {tuple(row): count for row, count in zip(rows.tolist(), counts.tolist(), strict=True)}


@pytest.mark.parametrize("leaf", [LEVELS, CODES])
@pytest.mark.parametrize("order", [None, ORDER])
def test_places_are_inverted(leaf: Leaf, order: list[int] | None) -> None:
    model = Tabled(leaf, order=order)
    tokens = torch.tensor(list(itertools.product(range(3), repeat=4)))
    places = Places(model)
    x = places.x(tokens)
    assert x.shape[1:] == leaf.shape and x.dtype == (torch.int64 if leaf.classes else torch.float32)
    assert torch.equal(places.tokens(x), tokens)
    for k, place in enumerate(order or range(4)):  # by hand: token k stands at order[k]
        assert torch.equal(x.flatten(1)[:, place].double(), tokens[:, k].double() - (0 if leaf.classes else 1))


def test_bytes_are_the_levels_of_the_range() -> None:
    leaf = Leaf(shape=(256,), levels=256, range=(-1.0, 1.0))
    model = type("M", (), {"data": type("D", (), {"leaves": {"x": leaf}})})
    x = Places(model).x(torch.arange(256)[None])
    assert torch.allclose(x[0].double(), torch.arange(256).double() / 127.5 - 1, rtol=0, atol=1e-7)


@pytest.mark.parametrize("positional", [True, False])
@pytest.mark.parametrize("order", [None, ORDER])
def test_images_follow_the_law(order: list[int] | None, positional: bool) -> None:
    model = Tabled(LEVELS, order=order, positional=positional, modality="image")
    tokens = Places(model).tokens(drawn(model, 20_000))
    assert fits(counted(tokens), {row: torch.tensor(model.log_chance(row)).exp().item() for row in model.texts()})


@pytest.mark.parametrize("positional", [True, False])
@pytest.mark.parametrize("draft", [False, True])
def test_the_rest_of_what_is_known_follows_the_conditional(positional: bool, draft: bool) -> None:
    """Places 3 and 0 come first in the order. Given them, draws are exactly those of the law by enumeration."""
    model = Tabled(LEVELS, order=ORDER, positional=positional, modality="image")
    known = torch.tensor([[[1.0, 0.0], [0.0, -1.0]]])
    mask = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    n = 20_000
    cond = {"known": known.expand(n, -1, -1, -1), "known_mask": mask.expand(n, -1, -1, -1)}
    asked = drafted(model, Tabled(LEVELS, order=ORDER, seed=1, positional=positional)) if draft else model
    x = drawn(asked, n, cond)
    assert bool((x[:, 0, 0, 0] == 1).all()) and bool((x[:, 0, 1, 1] == -1).all())
    chances = {row: torch.tensor(model.log_chance(row)).exp().item() for row in model.texts() if row[:2] == (0, 2)}
    total = sum(chances.values())
    assert fits(counted(Places(model).tokens(x)), {row: chance / total for row, chance in chances.items()})
    assert model.fed[0] == 2 * n  # both known numbers in one call


def test_rows_know_different_numbers_of_places() -> None:
    model = Tabled(CODES, positional=False, modality="image")
    masks = torch.tensor([[[1.0, 1.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]])
    known = torch.tensor([[[2.0, 1.0], [0.0, 2.0]]]).expand(4, -1, -1)
    together = drawn(model, 4, {"known": known, "known_mask": masks})
    for i in range(4):
        alone = drawn(model, 1, {"known": known[:1], "known_mask": masks[i : i + 1]}, rows=range(i, i + 1))
        assert torch.equal(alone[0], together[i])
        assert torch.equal(together[i][masks[i] > 0], known[i][masks[i] > 0].long())


def test_known_numbers_behind_free_ones_are_kept_and_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gentk.text._noted", set())
    model = Tabled(LEVELS, modality="image")
    cond = {"known": torch.ones(50, 1, 2, 2), "known_mask": torch.tensor([[[0.0, 0.0], [0.0, 1.0]]]).expand(50, -1, -1, -1)}
    x = drawn(model, 50, cond)
    drawn(model, 50, cond)
    assert bool((x[:, 0, 1, 1] == 1).all()) and capsys.readouterr().err.count("does not depend on them") == 1


def test_a_sample_does_not_depend_on_the_batch() -> None:
    model = Tabled(LEVELS, order=ORDER, modality="image")
    whole = drawn(model, 12)
    assert torch.equal(torch.cat([drawn(model, 4, rows=range(i, i + 4)) for i in (0, 4, 8)]), whole)


@pytest.mark.parametrize("options", [{"length": 2}, {"pattern": "a*"}, {"stop": "a"}])
def test_an_image_has_all_its_numbers(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        drawn(Tabled(LEVELS, modality="image"), 2, **options)


def test_known_numbers_must_be_classes() -> None:
    with pytest.raises(UsageError, match="from 0 to 2"):
        drawn(Tabled(CODES), 1, {"known": torch.full((1, 2, 2), 3.0), "known_mask": torch.ones(1, 2, 2)})


def test_known_and_its_mask_are_given_together() -> None:
    with pytest.raises(UsageError, match="together"):
        drawn(Tabled(CODES), 1, {"known": torch.ones(1, 2, 2)})
