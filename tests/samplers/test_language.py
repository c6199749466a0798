"""Texts that match a regular expression, beside Python's own `re`; and texts that end before a stop text."""

import itertools
import re

import pytest
import torch

from gentk.errors import GentkError, UsageError
from gentk.noise import Philox
from gentk.protocols import Leaf
from gentk.samplers.autoregressive import AutoRegressive
from gentk.samplers.language import Language, either
from gentk.samplers.stops import Stops
from gentk.vocabulary import joined

from .tabled import Tabled
from .test_leaves import counted, fits

pytest.importorskip("interegular")
LETTERS = Leaf(shape=(5,), classes=4, names=("a", "b", " ", "\n"))
WORDS = Leaf(shape=(4,), classes=4, names=("to", "be", "not", "\n"), words=True)
PATTERNS = {
    LETTERS: ["(ab)+|b", "a*", "[^a]{2}", "b?a( b)*", ".+", r"(a|ab)(b|\n)", "a{2,4}b"],
    WORDS: ["(to be ?)+", "to(\n| )be", "(not )*be", "(\\w+ ){2}\\w+", "be\\n{0,2}to|be to", "be to\n"],
}
CASES = [(leaf, pattern, stop) for leaf, patterns in PATTERNS.items() for pattern in patterns for stop in (None, 3)]


def text(row: tuple[int, ...], leaf: Leaf) -> str:
    return joined(row, leaf.names, words=leaf.words)


def matching(leaf: Leaf, pattern: str, stop: int | None) -> set[tuple[int, ...]]:
    """All that may be drawn, by trying: matches that end in the stop token, which may be a part of them, or fill the room; without a stop
    token, those that none goes on from."""
    room = leaf.shape[0]
    rows = [r for k in range(room + 1) for r in itertools.product(range(leaf.classes), repeat=k) if stop not in r[:-1]]
    found = {r for r in rows if re.fullmatch(pattern, text(r, leaf)) or (r and r[-1] == stop and re.fullmatch(pattern, text(r[:-1], leaf)))}
    if stop is not None:
        return {r for r in found if (r and r[-1] == stop) or len(r) == room}
    return {r for r in found if not any(len(r) < len(longer) and longer[: len(r)] == r for longer in found)}


@pytest.mark.parametrize(("leaf", "pattern", "stop"), CASES)
def test_what_can_be_drawn_is_what_re_matches(leaf: Leaf, pattern: str, stop: int | None) -> None:
    language, room = Language(pattern, leaf, stop), leaf.shape[0]
    ends, waiting = set(), [((), language.begin(1))]
    while waiting:
        row, state = waiting.pop()
        if len(row) == room or bool(language.complete(state, torch.tensor([room - len(row)]))) or (row and row[-1] == stop):
            assert bool(language.matches(state))
            ends.add(row)
            continue
        allowed = language.allowed(state, torch.tensor([room - len(row)]))[0]
        assert bool(allowed.any()), f"a dead end after {row}"
        waiting += [((*row, t), language.next(state, torch.tensor([t]))) for t in allowed.nonzero()[:, 0].tolist()]
    assert ends == {r for r in matching(leaf, pattern, stop) if r}


@pytest.mark.parametrize(("leaf", "pattern", "stop"), CASES)
def test_all_of_200_samples_match(leaf: Leaf, pattern: str, stop: int | None) -> None:
    model = Tabled(leaf, stop=stop, counted=True, positional=False)
    *_, last = AutoRegressive(pattern=pattern)(model, 200, noise=Philox(0, range(200)), cond={})
    rows = [tuple(row[:k]) for row, k in zip(last.x["x"].tolist(), last.x["length"].tolist(), strict=True)]  # type: ignore[call-overload]
    assert all(re.fullmatch(pattern, text(row, leaf)) for row in rows)


def test_tokens_of_several_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of BPE, without blanks between: a text may be written in several ways, and all that match are allowed."""
    monkeypatch.setattr("gentk.samplers.language.joined", lambda tokens, names, words: "".join(names[t] for t in tokens))
    pieces, room = ("a", "b", "c", "ab", "bcä", "\ufffd"), 4
    language = Language("(abcä?)+", Leaf(shape=(room,), classes=6, names=pieces), None)
    wanted = [p for k in range(1, room + 1) for p in itertools.product(range(5), repeat=k)]
    wanted = [p for p in wanted if re.fullmatch("(abcä?)+", "".join(pieces[t] for t in p))]
    for row in itertools.product(range(6), repeat=room):
        state = language.begin(1)
        for k, token in enumerate(row):
            allowed = language.allowed(state, torch.tensor([room - k]))[0].tolist()
            assert allowed == [any(p[: k + 1] == (*row[:k], t) for p in wanted) for t in range(6)]
            if not allowed[token]:
                break
            state = language.next(state, torch.tensor([token]))


@pytest.mark.parametrize("leaf", [LETTERS])
def test_choices(leaf: Leaf) -> None:
    model, choices = Tabled(leaf, counted=True, seed=3), ("ab", "b a", "bba")
    *_, last = AutoRegressive(choices=choices)(model, 200, noise=Philox(0, range(200)), cond={})
    rows = [tuple(row[:k]) for row, k in zip(last.x["x"].tolist(), last.x["length"].tolist(), strict=True)]  # type: ignore[call-overload]
    assert {text(row, leaf) for row in rows} == set(choices)


def test_choices_are_no_expressions() -> None:
    for odd in ("a.b", "(a", "a|b", "[x]", "a\\b", "x*", "^a$", "{1}"):
        assert re.fullmatch(either([odd, "other"]), odd) and not re.fullmatch(either([odd]), odd.replace("a", "c") + "x")


def test_within_a_pattern_tokens_are_as_often_as_the_model_says() -> None:
    """Token by token the law is the model's among those allowed."""
    model = Tabled(Leaf(shape=(2,), classes=3, names=("a", "b", "c")))
    *_, last = AutoRegressive(pattern="[ab]c|ca")(model, 20_000, noise=Philox(0, range(20_000)), cond={})
    first = torch.softmax(model.table.detach()[0].double(), 0)  # all three may begin
    assert fits(counted(last.x["x"]), {(0, 2): float(first[0]), (1, 2): float(first[1]), (2, 0): float(first[2])})  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"pattern": "(a"}, "no regular expression"),
        ({"pattern": "z+"}, "can write no text"),
        ({"pattern": "a{9}"}, "has 9 tokens, and there is room for 5"),
        ({"pattern": "a{4}", "length": 3}, "room for 3"),
        ({"pattern": "a", "choices": ("b",)}, "choose one"),
        ({"stop": ("",)}, "cannot be empty"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        list(AutoRegressive(**options)(Tabled(LETTERS, counted=True), 2, noise=Philox(0, range(2)), cond={}))  # type: ignore[arg-type]


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "interegular", None)
    with pytest.raises(GentkError, match=r"gentk-core\[constrained\]"):
        Language("a+", LETTERS, None)


@pytest.mark.parametrize("leaf", [LETTERS, WORDS])
@pytest.mark.parametrize("stops", [("b",), ("ba", " a"), ("to be", "not\n")])
def test_texts_end_before_a_stop_text(leaf: Leaf, stops: tuple[str, ...]) -> None:
    """Beside the texts without one: the same tokens as far as they go."""
    model = Tabled(leaf, counted=True)
    whole, cut = (
        list(AutoRegressive(stop=s)(model, 300, noise=Philox(0, range(300)), cond={}))[-1].x for s in ((), stops)
    )
    for row, ended, k in zip(whole["x"].tolist(), cut["x"].tolist(), cut["length"].tolist(), strict=True):  # type: ignore[call-overload]
        said = text(tuple(row), leaf)
        places = [said.find(s) for s in stops if s in said]
        kept = max(j for j in range(len(row) + 1) if len(text(tuple(row[:j]), leaf)) <= min(places, default=len(said)))
        assert k == kept and ended[:k] == row[:k] and not any(ended[k:])


def test_prompts_are_not_looked_at_for_stop_texts_and_patterns() -> None:
    model, prompt = Tabled(LETTERS, counted=True), torch.tensor([[1, 1, -1, -1, -1]]).expand(50, -1)
    *_, last = AutoRegressive(stop="b")(model, 50, noise=Philox(0, range(50)), cond={"prompt": prompt})
    assert bool((last.x["x"][:, :2] == 1).all()) and bool((last.x["length"] >= 2).all())  # type: ignore[call-overload]
    *_, last = AutoRegressive(pattern="a+")(model, 50, noise=Philox(0, range(50)), cond={"prompt": prompt})
    assert last.x["x"].tolist() == [[1, 1, 0, 0, 0]] * 50  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="behind the beginning"):
        list(AutoRegressive(pattern="a+")(model, 1, noise=Philox(0, [0]), cond={"prompt": torch.tensor([[1, -1, -1, 1, -1]])}))


def test_a_stop_text_is_found_where_it_is_completed() -> None:
    leaf = Leaf(shape=(40,), classes=3, names=("a", "END", "x"), words=True)
    assert Stops(leaf, ["END"]).cut([0] * 30 + [1]) == 30 and Stops(leaf, ["a END x"]).cut([2, 0, 1]) is None
    assert Stops(leaf, ["a END x"]).cut([2, 0, 1, 2]) == 1
