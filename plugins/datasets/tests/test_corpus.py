"""Texts of several files, byte pairs, and tokens that lie in a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import gentk
from gentk.errors import UsageError
from gentk.vocabulary import cut, joined, loaded, pieces, size_of
from gentk_datasets import bpe, corpus
from gentk_datasets.text import text

RHYME = "One for sorrow,\ntwo for joy,\nthree for a girl — ½ naïve 🐦,\nfour for a boy.\n"


@pytest.fixture
def rhyme(tmp_path: Path) -> Path:
    (tmp_path / "rhyme.txt").write_text(RHYME * 40, "utf-8")
    return tmp_path / "rhyme.txt"


def test_byte_pairs_say_the_text_again_and_are_fewer(rhyme: Path) -> None:
    data = text(path=str(rhyme), unit="bpe", vocabulary=300, length=64, test_share=0)
    leaf = data.spec.leaves["x"]
    said = joined([token for i in range(len(data)) for token in data.rows[i].tolist()], (), tokenizer=leaf.tokenizer)
    assert said.rstrip("\ufffd") == (RHYME * 40)[: len(said.rstrip("\ufffd"))] and len(said) > 1.5 * 64 * len(data)
    assert leaf.classes == 300 == size_of(leaf.tokenizer) and not leaf.names
    other = "Words that were never seen: Ω, 漢字 and \t tabs"
    assert joined(cut(other, (), tokenizer=leaf.tokenizer), (), tokenizer=leaf.tokenizer) == other


def test_what_each_token_adds_is_bytes(rhyme: Path) -> None:
    tokenizer = text(path=str(rhyme), unit="bpe", vocabulary=300).spec.leaves["x"].tokenizer
    tokens, said = cut(RHYME, (), tokenizer=tokenizer), pieces((), tokenizer=tokenizer)
    assert b"".join(said[token] for token in tokens) == RHYME.encode()
    assert len(said) == 300 and sorted(piece for piece in said if len(piece) == 1) == [bytes([i]) for i in range(256)]


def test_the_vocabulary_is_learnt_from_the_training_part_alone(tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("abab " * 400 + "xyxyxy " * 100)
    path = str(tmp_path / "two.txt")
    train, test = (text(part, path=path, unit="bpe", vocabulary=280, test_share=0.3, length=8) for part in ("train", "test"))
    assert train.spec == test.spec
    tokens = list(loaded(train.spec.leaves["x"].tokenizer).get_vocab())
    assert any("ab" in token for token in tokens) and not any("xy" in token for token in tokens)


def test_a_tokenizer_of_your_own(rhyme: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(bpe.learnt(iter([RHYME]), 270))
    data = text(path=str(rhyme), unit="bpe", tokenizer=str(tmp_path / "tokenizer.json"), length=10)
    assert data.spec.leaves["x"].tokenizer == (tmp_path / "tokenizer.json").read_text()
    (tmp_path / "bad.json").write_text("{}")
    for name, said in (("bad.json", "no tokenizer"), ("none.json", "cannot read the tokenizer")):
        with pytest.raises(UsageError, match=said):
            text(path=str(rhyme), unit="bpe", tokenizer=str(tmp_path / name))
    with pytest.raises(UsageError, match="unit = bpe"):
        text(path=str(rhyme), tokenizer=str(tmp_path / "tokenizer.json"))


def folder(tmp_path: Path) -> Path:
    (tmp_path / "texts" / "more").mkdir(parents=True)
    (tmp_path / "texts" / "b.txt").write_text("second")
    (tmp_path / "texts" / "a.jsonl").write_text(json.dumps({"text": "first", "year": 1}) + "\n\n" + json.dumps({"text": "next"}) + "\n")
    (tmp_path / "texts" / "more" / "c.md").write_text("third\n")
    (tmp_path / "texts" / "picture.png").write_bytes(b"\x89PNG")
    return tmp_path / "texts"


def test_the_files_of_a_folder_in_order(tmp_path: Path) -> None:
    place = folder(tmp_path)
    assert list(corpus.documents(place)) == ["first", "next", "second", "third\n"]
    whole = text(path=str(place), length=24, test_share=0)
    said = joined(whole.rows[0].tolist(), whole.spec.leaves["x"].names)
    assert said == "first\nnext\nsecond\nthird\n"
    pairs = text(path=str(place), unit="bpe", vocabulary=257, length=24, test_share=0)
    said = joined(pairs.rows[0].tolist(), (), tokenizer=pairs.spec.leaves["x"].tokenizer)
    assert said == "first<|endoftext|>next<|endoftext|>second<|endoftext|>third\n<|endoftext|>"[: len(said)]


def test_a_text_of_a_jsonl_is_an_example(tmp_path: Path) -> None:
    path = tmp_path / "poems.jsonl"
    path.write_text("".join(json.dumps({"text": said}) + "\n" for said in ("a\nb", "cc")))
    data = text(path=str(path), lines=True, test_share=0)
    names = data.spec.leaves["x"].names
    rows = data.batch([0, 1])
    assert [joined(row[:n].tolist(), names) for row, n in zip(rows["x"], rows["length"], strict=True)] == ["a\nb\n", "cc\n"]


@pytest.mark.parametrize("content", ["{", '{"txt": "a"}', '{"text": 1}', "[1]"])
def test_a_damaged_jsonl_names_its_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.jsonl").write_text(json.dumps({"text": "good"}) + "\n" + content + "\n")
    with pytest.raises(UsageError, match="line 2"):
        text(path=str(tmp_path / "bad.jsonl"))


def test_many_tokens_lie_in_a_file_and_are_the_same(rhyme: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = text(path=str(rhyme), length=16, stride=1)
    monkeypatch.setattr(corpus, "HELD", 100)
    monkeypatch.setattr(corpus, "SLICE", 50)
    monkeypatch.setenv("GENTK_DATA", str(tmp_path / "data"))
    mapped = text(path=str(rhyme), length=16, stride=1)
    assert np.array_equal(held.rows, mapped.rows) and held.spec == mapped.spec
    kept = list((tmp_path / "data" / "tokens").iterdir())
    assert isinstance(corpus.as_row(rhyme, ("other",), lambda: iter([[1, 2], [3]])), np.memmap)
    rhyme.write_text(RHYME.upper() * 50, "utf-8")
    assert "SORROW" in "".join(joined(text(path=str(rhyme), length=16).rows[i].tolist(), sorted(set(RHYME.upper()))) for i in range(3))
    assert len(kept) == 1 and len(list((tmp_path / "data" / "tokens").iterdir())) == 3


def test_weights_keep_their_tokenizer(rhyme: Path, tmp_path: Path) -> None:
    """A model on byte pairs is saved with tokenizer.json, takes a prompt of text after loading, and refuses another tokenizer."""
    recipe = gentk.recipe("classical", "markov")
    changes = {"name": f"text:{rhyme}", "options": {"unit": "bpe", "vocabulary": 270, "length": 20, "test_share": 0.1}}
    about = {"dataset": recipe.dataset.model_validate(changes), "model": recipe.model.model_copy(update={"config": {"order": 2}})}
    recipe = recipe.model_copy(update=about)
    gentk.train(recipe, out=tmp_path / "run")
    model = gentk.load(tmp_path / "run")
    gentk.save(model, tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert config["data"]["leaves"]["x"]["tokenizer"].startswith("sha256:")
    again = gentk.load(tmp_path / "saved")
    assert again.data == model.data and again.conditions == model.conditions
    samples = gentk.sample(again, 2, seed=0, prompt="two for")
    samples.save(tmp_path / "said.txt")
    assert all(said.startswith("two for") for said in (tmp_path / "said.txt").read_text("utf-8").split("\n%\n") if said)
    (tmp_path / "saved" / "tokenizer.json").write_text(bpe.learnt(iter(["other words"]), 260))
    with pytest.raises(gentk.errors.GentkError, match="SHA-256 differs"):
        gentk.load(tmp_path / "saved")


def test_the_encoding_is_learnt_once_for_both_splits_and_anew_for_other_files(rhyme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning takes minutes on long texts, and a training opens two splits."""
    calls, learn = [], bpe.learnt
    monkeypatch.setattr(bpe, "learnt", lambda texts, size: calls.append(size) or learn(texts, size))
    for split in ("train", "test"):
        text(split, path=str(rhyme), unit="bpe", vocabulary=280, length=8)
    assert calls == [280]
    rhyme.write_text(RHYME.upper() * 30, "utf-8")
    text(path=str(rhyme), unit="bpe", vocabulary=280, length=8)
    assert calls == [280, 280]
