"""Texts: windows and lines of a file, and sentences of a grammar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gentk.errors import UsageError
from gentk.modalities import modality
from gentk_datasets.text import FIRST, KINDS, NEXT, WORDS, law, sentences, text

POEM = "Tiger, tiger,\nburning bright\n\nIn the forests\nof the night\n"


@pytest.fixture
def poem(tmp_path: Path) -> str:
    (tmp_path / "poem.txt").write_text(POEM)
    return str(tmp_path / "poem.txt")


def shown(data: object, indices: range) -> list[str]:
    """The examples as the modality writes them."""
    from gentk.modalities.text import texts_of

    return texts_of(data.batch(indices), data.spec)  # type: ignore[attr-defined]


def test_windows_are_the_text_in_order(poem: str) -> None:
    data = text(path=poem, length=10, test_share=0)
    assert "".join(shown(data, range(len(data)))) == POEM[: len(POEM) // 10 * 10]
    assert data.spec.leaves["x"].names == tuple(sorted(set(POEM)))
    assert list(data.spec.leaves) == ["x"]
    modality("text").check(data.spec)


def test_windows_overlap_as_the_stride_says(poem: str) -> None:
    data = text(path=poem, length=10, stride=3, test_share=0)
    assert shown(data, range(3)) == [POEM[0:10], POEM[3:13], POEM[6:16]]
    assert len(data) == (len(POEM) - 10) // 3 + 1


def test_the_end_of_the_file_is_held_out(poem: str) -> None:
    """Nothing of `test` is in `train`, and both have the vocabulary of the whole."""
    train, test = (text(split, path=poem, length=5, stride=1, test_share=0.4) for split in ("train", "test"))
    held = round(0.4 * len(POEM))
    assert shown(train, range(len(train)))[-1] == POEM[: len(POEM) - held][-5:]
    assert shown(test, range(1))[0] == POEM[len(POEM) - held :][:5]
    assert train.spec == test.spec


def test_words_and_the_ends_of_lines_are_tokens(poem: str) -> None:
    data = text(path=poem, unit="word", length=9, test_share=0)
    assert shown(data, range(1)) == ["Tiger, tiger,\nburning bright\n\nIn the"]
    assert set(data.spec.leaves["x"].names) == {*POEM.split(), "\n"}


def test_lines_are_examples_that_end(poem: str) -> None:
    train, test = (text(split, path=poem, lines=True, test_share=0.25) for split in ("train", "test"))
    assert shown(train, range(len(train))) == ["Tiger, tiger,\n", "burning bright\n", "In the forests\n"]
    assert shown(test, range(len(test))) == ["of the night\n"]
    assert train.spec.shape == (15,) and train.spec == test.spec
    assert train[1]["length"] == 15 and train[0]["length"] == 14 and train[0]["x"][14:].tolist() == [0]
    short = text(path=poem, lines=True, length=4, unit="word", test_share=0)
    assert short.batch([0, 2])["length"].tolist() == [3, 4]
    assert shown(short, range(1)) == ["Tiger, tiger,\n"]
    cut = text(path=poem, lines=True, length=4, test_share=0)
    assert shown(cut, range(1)) == ["Tige"]


@pytest.mark.parametrize("lines", [False, True])
def test_a_batch_is_its_examples(poem: str, lines: bool) -> None:
    data = text(path=poem, lines=lines, length=6, test_share=0)
    batch = data.batch([2, 0, 2])
    for row, index in enumerate([2, 0, 2]):
        assert all(torch.equal(batch[key][row], value) for key, value in data[index].items())
    assert all(value.dtype == torch.int64 for value in batch.values())
    with pytest.raises(IndexError):
        data[len(data)]


def test_wrong_files_are_one_line(tmp_path: Path, poem: str) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "words").write_text(" ".join(map(str, range(20_001))))
    for path, said, options in (
        (tmp_path / "none", "no such file", {}),
        (tmp_path / "bytes", "UTF-8", {}),
        (Path(poem), "fewer than one example of 256", {}),
        (tmp_path / "words", "more than 20,000 different words", {"unit": "word"}),
        (Path(poem), "no line", {"lines": True, "split": "test", "test_share": 0.0}),
    ):
        with pytest.raises(UsageError, match=said) as caught:
            text(path=str(path), **options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- sentences
def test_the_grammar_is_a_chain() -> None:
    for chances in (FIRST, *NEXT.values()):
        assert law(chances).sum() == pytest.approx(1) and set(chances) <= set(KINDS)
    assert set(NEXT) == set(KINDS)


def test_kinds_and_words_follow_the_grammar() -> None:
    data = sentences()
    kinds, words = data.hidden(range(20_000))
    first = np.bincount(kinds[:, 0], minlength=9) / 20_000
    assert np.abs(first - law(FIRST)).max() < 0.015
    pairs = np.zeros((9, 9))
    np.add.at(pairs, (kinds[:, :-1].ravel(), kinds[:, 1:].ravel()), 1)
    wanted = np.stack([law(NEXT[kind]) for kind in KINDS])
    assert np.abs(pairs / pairs.sum(1, keepdims=True) - wanted).max() < 0.015
    for k, (_, said) in enumerate(KINDS.items()):
        seen = np.bincount(words[kinds == k], minlength=len(data.words)) / (kinds == k).sum()
        assert {data.words[i] for i in seen.nonzero()[0]} == set(said)
        assert np.abs(seen[seen > 0] - 1 / len(said)).max() < 0.02


def test_by_word_and_by_letter_they_are_the_same_sentences() -> None:
    words, letters = sentences(), sentences(unit="character")
    for a, b in zip(shown(words, range(50)), shown(letters, range(50)), strict=True):
        assert a.replace(" .", ".") == b
    assert letters.spec.leaves["x"].names == tuple(sorted({c for said in KINDS.values() for w in said for c in w} | {" "}))
    assert max(len(sentence) for sentence in shown(letters, range(2000))) <= letters.spec.shape[0]
    modality("text").check(words.spec)


def test_a_sentence_ends_at_its_full_stop_or_breaks_off() -> None:
    data = sentences()
    batch = data.batch(range(5000))
    stop = data.words.index(".")
    for row, length in zip(batch["x"].tolist(), batch["length"].tolist(), strict=True):
        assert stop not in row[: length - 1] and (row[length - 1] == stop or length == WORDS)
    assert float((batch["length"] == WORDS).double().mean()) < 0.02


@pytest.mark.parametrize("unit", ["word", "character"])
def test_a_sentence_is_a_function_of_its_index(unit: str) -> None:
    data = sentences(unit=unit)  # type: ignore[arg-type]
    indices = [5, 2**20 - 1, 0, 5]
    batch = data.batch(indices)
    for row, index in enumerate(indices):
        assert all(torch.equal(batch[key][row], value) for key, value in data[index].items())
    test = sentences("test", unit=unit)  # type: ignore[arg-type]
    assert (len(data), len(test)) == (2**20, 2**16)
    assert shown(data, range(100)) != shown(test, range(100))
    with pytest.raises(IndexError):
        data[2**20]
