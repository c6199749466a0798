"""The model card a second time: what a person wrote, in its text and in its head, stays."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from gentk.errors import GentkError
from gentk.weights.card import card, edits, front
from gentk.weights.card.facts import gather
from gentk.weights.card.writing import written

from .carded import METRICS, NAMES, head, names, roll, section


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small, sound weights called `roll`, with a recipe."""
    return roll(tmp_path / "roll")


# ---------------------------------------------------------------- what a person wrote
def edited(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def test_sections_in_order_and_twice_the_same(folder: Path) -> None:
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    text = card(folder, repo="u/r")
    assert names(text) == [name for name in NAMES if name != "preview"]
    assert text.endswith(" title about use training scores size licence limits -->\n") and edits.untouched(text)
    assert card(folder, repo="u/r", existing=text) == text


def test_an_edited_section_stays_and_the_others_follow(folder: Path) -> None:
    mine = edited(card(folder, repo="u/r"), "- It has seen nothing but `moons`", "- Only half moons, made up `moons`")
    assert not edits.untouched(mine)
    text = card(folder, repo="u/other", existing=mine)
    assert "Only half moons" in text and "It has seen nothing" not in text
    assert "--weights u/other" in text and "u/r" not in text and "# other\n" in text and edits.untouched(text)


def test_a_removed_section_stays_away(folder: Path) -> None:
    whole = card(folder, repo="u/r")
    start, end = whole.index("<!-- gentk:size"), whole.index("<!-- /gentk:size -->") + len("<!-- /gentk:size -->")
    text = card(folder, repo="u/r", existing=whole[:start] + whole[end:])
    assert "## Size" not in text and "size" not in names(text) and text.rstrip().endswith("training size licence limits -->")
    assert card(folder, repo="u/r", existing=text) == text


def test_a_section_that_comes_and_goes(folder: Path) -> None:
    before = card(folder, repo="u/r")
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    with_scores = card(folder, repo="u/r", existing=edited(before, "## Size", "## How large\n\nMy words."))
    assert names(with_scores) == [name for name in NAMES if name != "preview"] and "My words." in with_scores
    (folder / "metrics.json").unlink()
    without = card(folder, repo="u/r", existing=with_scores)
    assert "scores" not in names(without) and " scores" not in without.rstrip().rsplit("\n", 1)[1]
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    assert section(card(folder, repo="u/r", existing=without), "scores")


def test_words_between_and_after(folder: Path) -> None:
    mine = edited(card(folder), "## Training\n", "## Training\n").replace("<!-- /gentk:about -->", "<!-- /gentk:about -->\n\nBetween.")
    mine = "\n".join([*mine.split("\n"), "", "## Thanks", "", "After."])
    text = card(folder, repo="u/other", existing=mine)
    assert text.index("/gentk:about") < text.index("Between.") < text.index("gentk:use") and text.count("After.") == 1
    assert edits.base(text) and text.rstrip().split("\n")[-1].startswith("<!-- gentk:card ")


def test_a_card_that_was_there_before_gentk(folder: Path) -> None:
    text = card(folder, existing="---\nlicense: mit\n---\n# Mine\n\nLong story.\n")
    assert "# Mine\n\nLong story.\n\n<!-- gentk:about" in text and names(text)[0] == "about" and head(text)["license"] == "mit"
    assert "## Licence\n\n`mit`" in text and card(folder, existing=text) == text


def test_a_card_from_which_all_of_ours_was_thrown_out(folder: Path) -> None:
    about, _ = front.split(card(folder))
    text = card(folder, existing=about + "\nMy own card.\n")
    assert text == about + "\nMy own card.\n"


def test_line_ends_and_marks_of_other_editors(folder: Path) -> None:
    text = card(folder, repo="u/r")
    theirs = "\ufeff" + text.replace("\n", "  \r\n")
    assert edits.untouched(theirs)
    assert card(folder, repo="u/r", existing=text.replace("\n", "\r\n")).replace("\r\n", "\n") == text
    assert "--weights u/other" in card(folder, repo="u/other", existing=theirs)


PIECES = [
    "# Mine\n", "Words.\n", "\n\n", "---\n", "```\n", "\r\n", "| a | b |\n", "<details>\n", "ünïcödé\n", "<!-- /gentk:about -->\n",
    "<!-- gentk:use 000000000000 -->\nmine\n<!-- /gentk:use -->\n", "<!-- gentk:size e3b0c44298fc -->\n<!-- /gentk:size -->\n",
    "<!-- gentk:later 000000000000 -->\nof a later gentk\n<!-- /gentk:later -->\n", "<!-- gentk:limits abcdefabcdef -->\n",
    "<!-- gentk:card 123456789abc about use -->\n",
]  # fmt: skip
HEADS = ["", "", "---\n---\n", "---\nlicense: mit\n---\n", "---\ntags: [x, gentk]\nlanguage: no\n---\n", "---\nlibrary_name: gentk\n---\n"]


@pytest.mark.parametrize("seed", range(150))
def test_twice_is_once_and_every_word_survives(facts: Any, seed: int) -> None:
    """Whatever is there: what we write is a fixed point, and no line of a person's is lost or moved."""
    chance = random.Random(seed)
    if seed % 2:
        words = "".join(chance.choices(PIECES, k=chance.randrange(12)))
        existing = chance.choice(HEADS) + (f"Beginning.\n{words}" if words else "")
    else:
        lines = written(facts).split("\n")
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(lines.index("---", 1) + 1, len(lines))
            lines[at:at] = [f"My line {chance.random()}"] if chance.random() < 0.6 else []
            if chance.random() < 0.4:
                del lines[at : at + chance.randrange(1, 9)]
        existing = "\n".join(lines)
    text = written(facts, existing)
    assert written(facts, text) == text
    words = ("My line", "Beginning", "# Mine", "Words", "mine", "ünï", "of a later", "| a")
    mine = [line for line in front.split(existing)[1].splitlines() if line.startswith(words)]
    kept = iter(text.splitlines())
    assert all(line in kept for line in mine)


@pytest.fixture
def facts(folder: Path) -> Any:
    return gather(folder, repo="u/r")


# ---------------------------------------------------------------- the head
def test_keys_of_a_person_stay(folder: Path) -> None:
    mine = """---
pipeline_tag: graph-ml
tags:
- spirals
- gentk
language: no
datasets: ann/moons
made: 2024-05-06
number: 012
library_name: other
widget:
- text: mine
  output:
    url: pictures/mine.png
- text: old
  output:
    url: samples/preview.gif
---
"""
    (folder / "samples").mkdir()
    (folder / "samples" / "preview.png").touch()
    text = card(folder, existing=mine)
    about = front.read(text)
    assert about["tags"] == ["spirals", "gentk", "plugin:ddpm", "ddpm", "ddpm-points"]
    assert (about["pipeline_tag"], about["library_name"], about["datasets"]) == ("graph-ml", "gentk", "ann/moons")
    assert (about["language"], about["made"], about["number"]) == ("no", "2024-05-06", "012")
    assert yaml.safe_load(text.split("---\n")[1])["language"] == "no"  # for those who read YAML 1.1, too
    assert [entry["output"]["url"] for entry in about["widget"]] == ["samples/preview.png", "pictures/mine.png"]
    assert card(folder, existing=text) == text


def test_a_head_to_which_nothing_is_new_stays_as_it_was_written(folder: Path) -> None:
    mine = card(folder).replace("tags:\n- gentk\n", "tags: # of mine\n- 'gentk'\n").replace("---\n", "---\nlicense:   mit # yes\n", 1)
    assert front.split(card(folder, existing=mine))[0] == front.split(mine)[0]


def test_the_licence(folder: Path) -> None:
    assert "None is stated" in section(card(folder), "licence")
    text = card(folder, license="apache-2.0")
    assert head(text)["license"] == "apache-2.0" and section(text, "licence") == "## Licence\n\n`apache-2.0`"
    assert head(card(folder, existing=text))["license"] == "apache-2.0"
    assert head(card(folder, existing=text, license="mit"))["license"] == "mit"


@pytest.mark.parametrize("broken", ["a: [", "just words", "- 1\n- 2", "1: 2", "a: !!python/object/apply:os.system ['true']", "a: &a [*a"])
def test_a_head_that_is_no_table(folder: Path, broken: str) -> None:
    with pytest.raises(GentkError, match=r"README.md") as error:
        card(folder, existing=f"---\n{broken}\n---\nWords.\n")
    assert "\n" not in str(error.value)
