"""The page stands alone, is well-formed, can be read by everyone, and says what strangers wrote without obeying it."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from gentk.report import page as pages
from gentk.report.page import page
from gentk.text import harmless

from .made import HOSTILE, IMAGES, POINTS, STRANGE, TEXTS, DataSpec, comparison, entry, hostile, samples, score, two

VOID = {"meta", "img", "source", "wbr", "br", "link", "hr"}
KNOWN = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "div", "h1", "h2", "h3", "p", "ul", "li",
    "code", "pre", "span", "small", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "picture", "source",
    "img", "wbr",
}  # fmt: skip


class Page(HTMLParser):
    """The tags of a document in their order; fails where one is not closed, or closed twice."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self.open), data))

    def all(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in names]

    def within(self, tag: str) -> str:
        return "".join(text for where, text in self.texts if tag in where)


@pytest.fixture(params=[IMAGES, POINTS, TEXTS, STRANGE], ids=lambda spec: spec.modality)
def spec(request: pytest.FixtureRequest) -> DataSpec:
    made: DataSpec = request.param
    return made


def test_the_page_is_well_formed_and_asks_for_nothing(spec: DataSpec) -> None:
    text = page(two(spec))
    found = Page(text)
    assert text.startswith("<!DOCTYPE html>\n") and found.all("html") == [{"lang": "en"}]
    assert {tag for tag, _ in found.tags} <= KNOWN, "no script, no frame, no link"
    assert any(meta.get("name") == "viewport" for meta in found.all("meta"))
    sources = [value for _, attributes in found.tags for name, value in attributes.items() if name in ("src", "srcset", "href")]
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"https?:", text) and "@import" not in text and "url(" not in text
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(set(ids)) == len(ids) and {one["aria-labelledby"] for one in found.all("section")} == set(ids)


def test_pictures_say_what_they_show_and_how_large_they_are(spec: DataSpec) -> None:
    found = Page(page(two(spec)))
    images = found.all("img")
    assert images and all(len(image["alt"]) > 10 for image in images)
    assert len({image["alt"] for image in images}) == len(images)
    for image in found.all("img", "source"):
        data = image.get("src") or image["srcset"]
        with Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))) as picture:
            assert (str(picture.width), str(picture.height)) == (image["width"], image["height"])
            assert data.startswith(f"data:image/{str(picture.format).lower()};")


def test_headings_come_in_order_and_regions_have_names(spec: DataSpec) -> None:
    found = Page(page(two(spec)))
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1 and all(b <= a + 1 for a, b in pairwise(levels))
    scrolling = [one for one in found.all("div") if "scroll" in one.get("class", "").split()]
    reached = [attributes for _, attributes in found.tags if "tabindex" in attributes]
    assert scrolling and all(one in reached for one in (*scrolling, *found.all("pre")))
    assert all(one["role"] == "region" and one["tabindex"] == "0" and one["aria-label"] for one in reached)


def test_the_table_has_a_caption_heads_and_full_rows() -> None:
    text = page(two())
    found = Page(text)
    assert len(found.all("caption")) == 1 and len(found.within("caption")) > 50
    assert all(head["scope"] in ("col", "row") for head in found.all("th"))
    rows = re.findall(r"<tr.*?</tr>", text, flags=re.S)
    widths = {len(re.findall("<t[hd]", row)) for row in rows}
    assert len(rows) == 4 and widths == {1 + 3 + 3}, "models, three scores, and what each costs"
    assert [re.sub("<[^>]+>", "", row).count("★") for row in rows] == [0, 0, 2, 0], "the second is best in nothing"
    assert "best: " in rows[2] and "1.50 ± 0.10" in rows[2] and "1.50 × floor" in rows[2] and "20,000 steps, 1 h 5 min" in rows[2]
    assert "≤ 2.50 ± 0.10" in rows[2] and "no likelihood" in rows[3], "what is missing says why to who cannot see the dash"


def test_the_best_is_not_told_by_colour_alone() -> None:
    """Whatever has the ground of the best has the star and the word."""
    cells = re.findall(r'<td data-column="[^"]*" class="best">(.*?)</td>', page(two()), flags=re.S)
    assert len(cells) == 2 and all("★" in cell and "best" in cell for cell in cells)


@pytest.mark.parametrize("spec", [IMAGES, POINTS, STRANGE], ids=lambda spec: spec.modality)
def test_names_of_strangers_are_words_and_nothing_else(spec: DataSpec) -> None:
    text = page(hostile(spec))
    found = Page(text)
    assert {tag for tag, _ in found.tags} <= KNOWN
    allowed = {"class", "id", "src", "srcset", "alt", "width", "height", "media", "scope", "role", "tabindex", "lang", "charset", "name",
               "content", "http-equiv", "style", "data-column", "aria-label", "aria-labelledby", "aria-hidden"}  # fmt: skip
    assert {name for _, attributes in found.tags for name in attributes} <= allowed
    shown = "".join(words for where, words in found.texts if "style" not in where)
    assert "<script>alert(1)</script>" in shown, "it is still said"
    assert "\u202e" not in text and "\x1b" not in text
    styles = [attributes["style"] for _, attributes in found.tags if "style" in attributes]
    assert all(re.fullmatch(r"--day:#[0-9a-f]{6};--night:#[0-9a-f]{6}", style) for style in styles)


def test_texts_are_shown_as_they_are() -> None:
    found = Page(page(two(TEXTS)))
    words = found.within("pre")
    assert {"<", ">", "&"} & set(words) and {tag for tag, _ in found.tags} <= KNOWN


def test_who_makes_no_samples_has_a_place_that_says_why() -> None:
    entries = [entry("one", [score("gap", 1.0)], samples(IMAGES)), entry("two", [score("gap", 2.0)], None)]
    found = Page(page(comparison(IMAGES, entries)))
    assert "no prior to sample from" in found.within("figure")
    assert found.within("figcaption").count("one") == 1


def test_names_that_differ_behind_the_place_where_they_are_cut_have_dots_of_their_own() -> None:
    long = "x" * 80
    entries = [entry(f"{long}{i}", [score("gap", 1.0 + i)], samples(IMAGES)) for i in range(2)]
    alt = [image["alt"] for image in Page(page(comparison(IMAGES, entries))).all("img")][-1]
    assert "1: x" in alt and "2: x" in alt


# ---------------------------------------------------------------- the sheet of styles
def brightness(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((brightness(one), brightness(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


STYLE = Path(pages.__file__).with_suffix(".css").read_text("utf-8")
PALETTES = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, flags=re.S)]


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark", "print"])
def test_letters_stand_out_from_every_ground(palette: dict[str, str]) -> None:
    for ground in ("ground", "head", "best"):
        for letters in ("ink", "pale", "link"):
            assert contrast(palette[letters], palette[ground]) >= 4.5, (letters, ground)


def test_every_class_that_is_used_has_a_style_and_focus_is_seen() -> None:
    used = {name for spec in (IMAGES, POINTS, TEXTS) for _, attributes in Page(page(two(spec))).tags
            for name in attributes.get("class", "").split()}  # fmt: skip
    assert {name for name in used if f".{name}" not in STYLE} <= {"value"}
    assert ":focus-visible" in STYLE and "prefers-color-scheme: dark" in STYLE and "@media print" in STYLE and "outline: none" not in STYLE


def test_what_is_hostile_here_would_do_harm_if_it_were_not_escaped() -> None:
    """The test above can fail."""
    found = HTMLParser()
    seen: list[str] = []
    found.handle_starttag = lambda tag, attrs: seen.append(tag)  # type: ignore[method-assign]
    found.feed(f'<td class="{HOSTILE}">{harmless(HOSTILE)}</td>')
    assert "script" in seen and "img" in seen


def test_the_page_itself_scrolls_in_one_direction() -> None:
    """What is hidden from the eye stands absolutely, so that a table wider than the page would carry it outside, and the page along."""
    text = page(two(POINTS))
    assert re.search(r"\.hidden \{[^}]*position: absolute", text) and re.search(r"\.scroll \{[^}]*position: relative", text)
