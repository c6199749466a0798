"""Markdown, CSV, JSON and PNG of a comparison, and the numbers in them."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentk.errors import UsageError
from gentk.evaluation.ranking import Rank
from gentk.report import notes, numbers
from gentk.report.formats import HEAD, comma, markdown, told
from gentk.report.inlining import inlined
from gentk.report.looks import looks
from gentk.report.pictures import whole
from gentk.report.writing import check, write

from .made import HOSTILE, IMAGES, POINTS, STRANGE, TEXTS, comparison, entry, hostile, samples, score, two


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (0.12345, 0.0123, "0.123 ± 0.012"),
        (0.98, 0.0996, "0.980 ± 0.100"),
        (1234.6, 12.3, "1235 ± 12"),
        (1234.6, 456.0, "1235 ± 456"),
        (-0.5, 0.731, "-0.50 ± 0.73"),
        (0.0, 0.0, "0 ± 0"),
        (3.2e-6, 4.1e-7, "3.20e-06 ± 4.1e-07"),
        (2.5e9, 1e8, "2.50e+09 ± 1.0e+08"),
        (1.23456, None, "1.235"),
    ],
)
def test_a_value_has_the_digits_that_its_error_leaves(value: float, error: float | None, said: str) -> None:
    spread = numbers.spread(value, error)
    assert numbers.value(value, error) + (f" ± {spread}" if spread else "") == said


def test_durations_counts_and_ranks() -> None:
    assert [numbers.duration(s) for s in (None, 71.3e-6, 0.00418, 0.9, 12.0, 60.0, 3599.9, 3900.0, 90_000.0)] == [
        "", "71.3 µs", "4.18 ms", "900 ms", "12 s", "1 min", "60 min", "1 h 5 min", "1 d 1 h"]  # fmt: skip
    assert [numbers.times(r) for r in (None, 0.0, 0.05, 1.0, 12.34, 5555.5)] == ["", "0", "0.05", "1.00", "12.3", "5,556"]
    assert numbers.place(Rank(1, 1, 2, 0.8, 10, "halves")) == "1 (1–2)" and numbers.place(Rank(2, 2, 2, 1.0, 10, "halves")) == "2"
    assert numbers.share(Rank(1, 1, 2, 0.8, 10, "halves")) == "80 %" and numbers.share(Rank(1, 1, 1, None, 0, "")) == ""


# ---------------------------------------------------------------- Markdown
def test_the_markdown_table_has_a_row_per_model_and_as_many_cells_in_each() -> None:
    lines = [line for line in markdown(two()).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3 and len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "★ **1.50 ± 0.10**<br>1.50 × floor<br>rank 1" in lines[3] and "★" not in lines[4]


def test_hostile_names_stay_within_their_cells_in_markdown() -> None:
    """No tag but our line breaks, no link, no image, no formula; and the table keeps its shape."""
    text = markdown(hostile())
    seen: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: seen.append(tag)  # type: ignore[method-assign]
    parser.feed(text)
    assert set(seen) == {"br"} and "http://" not in text and "\u202e" not in text and "\x1b" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 4 and len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert all(line.startswith(("#", "|", "- ", "## ", "Each cell", "100 samples")) or not line for line in text.splitlines())


def test_markdown_shows_the_picture_that_lies_beside_it(tmp_path: Path) -> None:
    write(two(), [tmp_path / "a b.md", tmp_path / "a b.png"])
    assert "](<a%20b.png>)" in (tmp_path / "a b.md").read_text("utf-8")
    assert "![" not in markdown(two())


# ---------------------------------------------------------------- for programs
def test_csv_has_a_row_per_model_and_score() -> None:
    rows = list(csv.DictReader(io.StringIO(comma(hostile()))))
    assert tuple(rows[0]) == HEAD and len(rows) == 3 + 2 + 3 and rows[0]["model"] == HOSTILE
    first = next(csv.DictReader(io.StringIO(comma(two()))))
    assert (first["value"], first["ratio"], first["rank"], first["training_steps"]) == ("1.5", "1.5", "1", "20000")


def test_json_says_everything_and_is_plain() -> None:
    found = comparison(IMAGES, [
        entry("a", [score("gap", 1.5)], samples(IMAGES), halves={"gap": [1.0, 2.0]}),
        entry("b", [score("gap", 2.5)], samples(IMAGES), halves={"gap": [2.0, 3.0]}),
    ])  # fmt: skip
    data = json.loads(json.dumps(told(found), allow_nan=False))
    first = data["models"][0]["scores"][0]
    assert first["rank"] == {"place": 1, "low": 1, "high": 1, "share": 1.0, "draws": 2, "by": "halves"}
    assert first["halves"] == [1.0, 2.0] and first["ratio"] == 1.5 and data["shown"]["labels"] == [0, 1, 2, 0, 1, 2]


# ---------------------------------------------------------------- pictures
def test_columns_of_the_picture_are_samples_and_rows_are_models() -> None:
    """The real examples come first; a model that draws nothing has no row."""
    found = comparison(IMAGES, [entry("a", [score("gap", 1.0)], samples(IMAGES, seed=1)), entry("b", [score("gap", 2.0)], None)])
    shown = looks(found)
    assert [look.name for look in shown] == ["real examples", "a", "b"] and shown[2].picture is None and shown[2].why
    one = shown[1].picture
    assert one is not None and shown[0].picture is not None and one.size == shown[0].picture.size
    pixels = np.asarray(one.convert("L"))
    scale = one.height // 10  # 8 pixels and a frame of 1
    first = pixels[scale : 9 * scale : scale, scale : 9 * scale : scale]
    assert found.entries[0].samples is not None
    x = found.entries[0].samples["x"][0, 0].numpy()
    assert np.array_equal(first, np.clip(np.round((x + 1) * 127.5), 0, 255).astype(np.uint8))


def test_scatters_share_their_axes_and_have_a_night_side() -> None:
    shown = looks(two(POINTS))
    for look in shown:
        assert look.picture is not None and look.night is not None and look.picture.size == look.night.size
        assert look.picture.getpixel((1, 1)) == (255, 255, 255) and max(look.night.getpixel((1, 1))) < 40  # type: ignore[type-var, arg-type]
    assert np.asarray(shown[0].picture).std() > 10


def test_what_has_no_picture_has_words_or_a_reason() -> None:
    assert all(look.words and look.picture is None for look in looks(two(TEXTS)))
    assert all(not look.words and "no picture of smells" in look.why for look in looks(two(STRANGE)))


@pytest.mark.parametrize("spec", [IMAGES, POINTS, TEXTS], ids=lambda spec: spec.modality)
def test_the_one_picture_holds_samples_and_scores(spec: object, tmp_path: Path) -> None:
    write(two(spec), [tmp_path / "x.png"])  # type: ignore[arg-type]
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.width == 990 and picture.height > 100 and np.asarray(picture).std() > 5


def test_nothing_to_picture_is_said() -> None:
    bare = comparison(STRANGE, [entry(name, [score("nll", 1.0, floor=None)], samples(STRANGE)) for name in "ab"])
    with pytest.raises(UsageError, match=r"write .html or .md"):
        whole(bare)


def test_a_photograph_becomes_no_larger_than_it_is_seen() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 2600, 3), dtype=np.uint8))
    uri, width, height = inlined(noise)
    assert width == 2000 and height == 231 and len(uri) < 4 / 3 * 2000 * 231 * 3


# ---------------------------------------------------------------- files
@pytest.mark.parametrize(("name", "words"), [("x.htm", "did you mean '.html'"), ("x", "written as"), ("no/x.html", "no folder")])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        check([tmp_path / name])
    assert words in str(refused.value) and "\n" not in str(refused.value)
    with pytest.raises(UsageError, match="twice"):
        check([tmp_path / "x.md", tmp_path / "x.md"])


def test_notes_say_how_it_was_done() -> None:
    halved = comparison(IMAGES, [
        entry(name, [score("gap", value), score("copies", value)], samples(IMAGES), halves={"gap": [value, value + 1]})
        for name, value in (("a", 1.0), ("b", 2.0))
    ])  # fmt: skip
    said = " ".join(notes.notes(halved))
    assert "delete-half jackknife" in said and "same for all models" in said and "2,000 Gaussians" in said and "copies: the metric" in said
    assert "not ranked" not in said and "bounds" not in said
    assert "nll: values with ≤ or ≥ are bounds" in " ".join(notes.notes(two()))
    assert dict(notes.missing(two())) == {"b/two": ["kid gave no number: no a/one", "nll not measured: no likelihood"]}
