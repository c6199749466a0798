"""Small files that would take a reader minutes and gigabytes: refused in one line, or read in no time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gentk.errors import GentkError
from gentk.weights.card import edits, facts, front
from gentk.weights.origin import said_in

SECONDS = 2.0
READERS: list[Callable[[Path], object]] = [said_in, lambda folder: facts._recipe(folder / "recipe.toml")]


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < SECONDS


def refused(read: Callable[[Path], object], folder: Path, text: str) -> str:
    (folder / "recipe.toml").write_text(text)
    with pytest.raises(GentkError) as error:
        read(folder)
    assert str(error.value).isprintable()
    return str(error.value)


# ---------------------------------------------------------------- recipe.toml
@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("line", [
    ".".join(["a"] * 9_000) + " = 1",
    f"[{'.'.join(['a'] * 9_000)}]",
    f"[[{' . '.join(['a'] * 9_000)}]]",
    f"a = {{{'.'.join(['1'] * 9_000)} = 1}}",
    " . ".join(["1.1"] * 9_000) + " = 1",
    ".".join(["','"] * 9_000) + " = 1",
])  # fmt: skip
def test_names_of_many_parts(read: Callable[[Path], object], line: str, tmp_path: Path) -> None:
    assert "nested too deeply: a name of more than 64 parts" in refused(read, tmp_path, f"# ours\n{line}\n")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(("text", "said"), [
    ("a = " + "[" * 40_000, "nested too deeply"),
    ("a = " + "{a = " * 15_000, "nested too deeply"),
    ("#" * 100_001, "a recipe has at most 0.1 MB"),
    ("a = \n", "is not TOML"),
])  # fmt: skip
def test_recipes_that_are_none(read: Callable[[Path], object], text: str, said: str, tmp_path: Path) -> None:
    assert said in refused(read, tmp_path, text)


def test_many_numbers_in_a_line_are_no_bomb(tmp_path: Path) -> None:
    betas = [i / 1000 for i in range(1, 1000)]
    options = f"options.betas = {[*betas, -1.5e-7]}\noptions.pairs = {[[1, 2]] * 99}\n"
    (tmp_path / "recipe.toml").write_text(f"[dataset]\nname = 'moons'\n{options}")
    assert said_in(tmp_path).options["betas"][:-1] == betas


# ---------------------------------------------------------------- the head of a card
def laughs(deep: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, deep))]
    return "\n".join([*lines, f"tags: [*a{deep - 1}]"])


@pytest.mark.parametrize(("text", "said"), [
    (laughs(6), "line 3: the table at its head is no YAML (an alias"),
    ("a: &a {b: 1}\nc:\n  <<: *a", "(an alias"),
    ("a:\n  <<: {b: 1}", "(a merge key"),
    ("a:\n  !!merge x: {b: 1}", "(a merge key"),
    ("a: " + "[" * 5000, "(nested too deeply"),
    ("\n".join("  " * i + "a:" for i in range(80)), "(nested too deeply"),
])  # fmt: skip
def test_heads_that_would_grow(text: str, said: str) -> None:
    with pytest.raises(GentkError) as error:
        front.renewed(f"---\n{text}\n---\n", {"tags": ["gentk"]})
    assert said in str(error.value) and str(error.value).isprintable() and str(error.value).endswith("repair it")


def test_only_words_are_tags_and_what_we_write_we_can_read() -> None:
    shared = [{"name": "x"}]
    head, about = front.renewed("---\ntags: [a, 1, [b, c], {d: e}]\n---\n", {"tags": ["gentk"], "one": shared, "two": shared})
    assert about["tags"] == ["a", "1", "gentk"] and front.read(head) == about


# ---------------------------------------------------------------- the sections of a card
def test_sections_that_nobody_closes() -> None:
    opening = "<!-- gentk:use 000000000000 -->\n"
    body = opening * 31_000
    assert not edits.ours(body)
    text = edits.merged(body, {"use": "Words.", "size": "More."})
    assert text.startswith(body) and "<!-- /gentk:size -->" in text
    assert edits.ours(f"{body}mine\n<!-- /gentk:use -->\n")
