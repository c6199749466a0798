"""A draft changes no distribution, whatever it proposes, and no row depends on another."""

import pytest
import torch
from scipy.stats import chi2_contingency

from gentk.errors import UsageError
from gentk.noise import Philox
from gentk.protocols import Leaf
from gentk.samplers.autoregressive import AutoRegressive
from gentk.samplers.beam import Beam
from gentk.samplers.speculative import drafted

from .tabled import Tabled
from .test_leaves import counted, fits

TEXT = Leaf(shape=(5,), classes=3)
N = 20_000


def run(model: object, n: int, rows: range | None = None, cond: dict[str, torch.Tensor] | None = None, **options: object) -> torch.Tensor:
    *_, last = AutoRegressive(**options)(model, n, noise=Philox(5, rows or range(n)), cond=cond or {})  # type: ignore[arg-type]
    return last.x["x"]  # type: ignore[call-overload,no-any-return]


def pair(positional: bool, draft_positional: bool, *, seed: int = 1, stop: int | None = None) -> tuple[Tabled, Tabled]:
    return Tabled(TEXT, positional=positional, stop=stop), Tabled(TEXT, positional=draft_positional, seed=seed, stop=stop)


@pytest.mark.parametrize("positional", [True, False])
@pytest.mark.parametrize("draft_positional", [True, False])
@pytest.mark.parametrize("ahead", [1, 3, 9])
def test_whole_texts_follow_the_law(positional: bool, draft_positional: bool, ahead: int) -> None:
    """All 243 texts of five tokens, by enumeration."""
    large, small = pair(positional, draft_positional)
    found = counted(run(drafted(large, small), N, ahead=ahead))
    assert fits(found, {row: torch.tensor(large.log_chance(row)).exp().item() for row in large.texts()})


SHAPED = [{}, {"temperature": 0.6, "top_p": 0.8}, {"temperature": 1.5, "min_p": 0.2}, {"repetition_penalty": 2.0}]


@pytest.mark.parametrize("options", SHAPED)
def test_next_tokens_are_as_often_as_the_plain_sampler_draws_them(options: dict[str, float]) -> None:
    """20,000 draws of each; the fourth token after every three before it that are frequent."""
    large, small = pair(True, False, stop=2)
    plain, fast = run(large, N, **options), run(drafted(large, small), N, **options)
    for prefix in torch.unique(plain[:, :3], dim=0).tolist():
        rows = [x[(x[:, :3] == torch.tensor(prefix)).all(1)][:, 3] for x in (plain, fast)]
        table = torch.stack([row.bincount(minlength=3) for row in rows])
        table = table[:, table.sum(0) > 10]
        if table.shape[1] > 1 and int(table.sum(1).min()) > 100:
            assert chi2_contingency(table.numpy()).pvalue > 0.01 / 9  # as there are up to nine beginnings
    first = torch.stack([x[:, 0].bincount(minlength=3) for x in (plain, fast)])
    assert chi2_contingency(first[:, first.sum(0) > 0].numpy()).pvalue > 0.01 if int((first.sum(0) > 0).sum()) > 1 else True


def test_penalties_know_what_was_proposed() -> None:
    """By enumeration, with the penalty by hand: at each place the tokens before it are those that count."""
    large, small = pair(True, False)

    def chance(row: tuple[int, ...]) -> float:
        found = 1.0
        for k, token in enumerate(row):
            logits = large.logits(large.number(torch.tensor([row]), torch.tensor([k])))[0].double()
            for seen in set(row[:k]):
                logits[seen] = logits[seen] / 3 if logits[seen] > 0 else logits[seen] * 3
            found *= float(logits.softmax(0)[token])
        return found

    found = counted(run(drafted(large, small), N, repetition_penalty=3))
    assert fits(found, {row: chance(row) for row in large.texts()})


@pytest.mark.parametrize("ahead", [1, 3])
def test_caches_may_grow(ahead: int) -> None:
    """As those of `gpt`, which begin small and are enlarged. What was read before is then not read again."""
    large, small = Tabled(TEXT, grows=True), Tabled(TEXT, seed=1, grows=True)
    fixed, other = pair(True, True)
    x = run(drafted(large, small), N, ahead=ahead)
    assert torch.equal(x, run(drafted(fixed, other), N, ahead=ahead))
    assert large.fed == fixed.fed and small.fed == other.fed


@pytest.mark.parametrize("positional", [True, False])
def test_a_row_does_not_see_its_batch(positional: bool) -> None:
    large, small = pair(positional, positional, stop=0)
    prompt = torch.full((12, 5), -1)
    prompt[::3, 0], prompt[1::3, :2] = 1, torch.tensor([2, 1])  # so that rows end, and near the end, at different rounds
    both = drafted(large, small)
    whole = run(both, 12, cond={"prompt": prompt})
    for size in (1, 5):
        parts = [run(both, min(size, 12 - i), range(i, min(i + size, 12)), {"prompt": prompt[i : i + size]}) for i in range(0, 12, size)]
        assert torch.equal(torch.cat(parts), whole)


def test_a_perfect_draft_is_always_kept_and_saves_calls() -> None:
    large, small = pair(True, True, seed=0)
    run(drafted(large, small), 1, ahead=4)
    assert large.fed == [4]  # after the first token one call reads it and three proposals, and all five tokens are there


def test_greedy_is_greedy() -> None:
    large, small = pair(True, False)
    assert torch.equal(run(drafted(large, small), 3, temperature=0), run(large, 3, temperature=0))


def test_patterns_hold_under_a_draft() -> None:
    pytest.importorskip("interegular")
    leaf = Leaf(shape=(6,), classes=3, names=("a", "b", "\n"))
    large, small = Tabled(leaf, stop=2, counted=True), Tabled(leaf, seed=1, stop=2, counted=True, positional=False)
    for stop in (2, None):
        large.stop = small.stop = stop
        *_, last = AutoRegressive(pattern="(ab)+|b")(drafted(large, small), 500, noise=Philox(0, range(500)), cond={})
        rows, ends = last.x["x"].tolist(), last.x["length"].tolist()  # type: ignore[call-overload]
        texts = {"".join("ab\n"[t] for t in row[:k]) for row, k in zip(rows, ends, strict=True)}
        assert texts <= {"b", "ab", "abab", "ababab"} and len(texts) > 1


def test_a_draft_that_rules_out_every_match_does_no_harm() -> None:
    pytest.importorskip("interegular")
    leaf = Leaf(shape=(4,), classes=3, names=("a", "b", "c"))
    large, small = Tabled(leaf, counted=True), Tabled(leaf, counted=True)
    with torch.no_grad():
        small.table[:, :2] = -torch.inf
    *_, last = AutoRegressive(pattern="[ab]{4}")(drafted(large, small), N, noise=Philox(0, range(N)), cond={})
    *_, plain = AutoRegressive(pattern="[ab]{4}")(large, N, noise=Philox(1, range(N)), cond={})
    table = torch.stack([(x.x["x"] * torch.tensor([8, 4, 2, 1])).sum(1).bincount(minlength=16) for x in (last, plain)])  # type: ignore[call-overload]
    assert chi2_contingency(table.numpy()).pvalue > 0.01
    assert sum(large.fed[:-3]) < 0.8 * (3 + 2 + 1) * N  # fewer than if no proposal were kept; the last three calls are the plain sampler's
    with torch.no_grad():
        large.table[1:, :2] = -torch.inf
    with pytest.raises(UsageError, match="probability of 0"):
        list(AutoRegressive(pattern="[ab]{4}")(drafted(large, small), 3, noise=Philox(0, range(3)), cond={}))


def test_a_draft_of_other_tokens_is_refused() -> None:
    large = Tabled(TEXT)
    for other, word in (
        (Tabled(Leaf(shape=(5,), classes=4)), "classes"),
        (Tabled(Leaf(shape=(4,), classes=3)), "shape"),
        (Tabled(TEXT, order=[1, 0, 2, 3, 4]), "order"),
        (Tabled(TEXT, stop=0), "stop token"),
        (torch.nn.Linear(1, 1), "no next token"),
    ):
        with pytest.raises(UsageError, match=word):
            drafted(large, other)
    with pytest.raises(UsageError, match="no use for a draft"):
        list(Beam()(drafted(large, Tabled(TEXT)), 1, noise=Philox(0, [0]), cond={}))
