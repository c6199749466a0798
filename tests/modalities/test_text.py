"""Text: what is saved is what is read, and the prompt's vocabulary is the data's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gentk.conditions import CONDITIONS, Text
from gentk.errors import UsageError
from gentk.modalities import modality
from gentk.protocols import DataSpec, Leaf
from gentk.vocabulary import cut, joined

TEXT = modality("text")
LETTERS, WORDS = tuple("\n abc.%"), ("\n", ".", "a", "cat", "sees", "the")


def spec(names: tuple[str, ...] = LETTERS, room: int = 8, *, ragged: bool = True, label: bool = False) -> DataSpec:
    x = Leaf(shape=(room,), classes=len(names), names=names)
    leaves = {"x": x, "length": Leaf(classes=room + 1)} if ragged else {"x": x}
    return DataSpec(modality="text", leaves=leaves, conditions={"label": Leaf(classes=3)} if label else {})


def batch(texts: list[str], data: DataSpec) -> dict[str, Tensor]:
    names, room = data.leaves["x"].names, data.shape[0]
    rows = [cut(text, names) for text in texts]
    x = torch.tensor([row + [0] * (room - len(row)) for row in rows])
    return {"x": x, "length": torch.tensor([len(row) for row in rows])} if "length" in data.leaves else {"x": x}


def same(read: dict[str, object], given: dict[str, Tensor]) -> bool:
    return all((torch.as_tensor(read[key]) == given[key]).all() for key in ("x", "length") if key in given)


TEXTS = {
    "lines": (["abc", "", "a b.", "abcabcab"], tuple(" abc.")),
    "lines with their ends": (["abc\n", "\n", "a b.\n", "abcabcab"], LETTERS),  # the last one was cut: there is no room for an end
    "paragraphs": (["a\nb", "ab", "c\n", "\n\n", ""], LETTERS),
    "words": (["the cat sees .", "cat", ""], WORDS[1:]),
    "words in lines": (["the cat\n", "a cat sees the cat .\n"], WORDS),
    "words in paragraphs": (["the cat\nsees", "a cat", ". \n\n."], WORDS),
}


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".npz", ".safetensors"])
@pytest.mark.parametrize("name", TEXTS)
def test_what_is_saved_is_what_is_read(tmp_path: Path, name: str, suffix: str) -> None:
    texts, names = TEXTS[name]
    data = spec(names)
    given = batch(texts, data)
    TEXT.save(given, data, tmp_path / f"x{suffix}")
    assert same(TEXT.read_examples(tmp_path / f"x{suffix}", data), given)


def test_a_file_of_lines_is_plain_text(tmp_path: Path) -> None:
    data = spec()
    TEXT.save(batch(["abc\n", "a b.\n"], data), data, tmp_path / "x.txt")
    assert (tmp_path / "x.txt").read_text() == "abc\na b.\n"
    TEXT.save(batch(["a\nb", "c"], data), data, tmp_path / "y.txt")
    assert (tmp_path / "y.txt").read_text() == "a\nb\n%\nc\n%\n"


def test_what_does_not_count_is_not_written(tmp_path: Path) -> None:
    data = spec(tuple("abc"), 5)
    given = {"x": torch.tensor([[0, 1, 2, 2, 2]]), "length": torch.tensor([2])}
    TEXT.save(given, data, tmp_path / "x.txt")
    assert (tmp_path / "x.txt").read_text() == "ab\n"
    assert TEXT.words(given, data) == "ab"


def test_objects_carry_conditions(tmp_path: Path) -> None:
    data = spec(WORDS, label=True)
    given = {**batch(["the cat", "a cat\nsees"], data), "label": torch.tensor([2, 0]), "prompt": torch.zeros(2, 8)}
    TEXT.save(given, data, tmp_path / "x.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert rows == [{"text": "the cat", "label": 2}, {"text": "a cat\nsees", "label": 0}]
    assert TEXT.read_examples(tmp_path / "x.jsonl", data)["cond_label"].tolist() == [2, 0]


def test_tokens_without_names_are_called_by_their_numbers(tmp_path: Path) -> None:
    data = DataSpec(modality="text", leaves={"x": Leaf(shape=(3,), classes=12)})
    TEXT.save({"x": torch.tensor([[11, 0, 3]])}, data, tmp_path / "x.txt")
    assert (tmp_path / "x.txt").read_text() == "11 0 3\n"
    assert TEXT.read_examples(tmp_path / "x.txt", data)["x"].tolist() == [[11, 0, 3]]


def test_a_glance_is_short() -> None:
    data = spec(tuple("abc"), 2000)
    shown = TEXT.words({"x": torch.zeros(100, 2000, dtype=torch.int64)}, data)
    assert shown is not None and len(shown) < 2000 and shown.endswith(" …")
    assert modality("points").words({}, data) is None


WRONG = {
    "an unknown letter": ("x.txt", "ab\naz\n", "text 2: 'z' is not in the vocabulary"),
    "too long": ("x.txt", "abcabcabc\n", "9 tokens, wanted are 8 at most"),
    "no object": ("x.jsonl", '{"text": "a"}\nab\n', "'text' on each line"),
    "no key": ("x.jsonl", '{"words": "a"}\n', "'text' on each line"),
    "no UTF-8": ("x.txt", b"caf\xe9", "UTF-8 text (line 1); it looks like latin-1"),
    "another format": ("x.docx", "ab", "texts are read from .txt, .jsonl"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_one_line(tmp_path: Path, name: str) -> None:
    file, content, said = WRONG[name]
    (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        TEXT.read_examples(tmp_path / file, spec())
    assert said in str(caught.value) and "\n" not in str(caught.value) and file in str(caught.value)


def test_other_refusals_are_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("ab\n")
    with pytest.raises(UsageError, match="2 tokens, wanted are 8"):
        TEXT.read_examples(tmp_path / "x.txt", spec(tuple("abc"), ragged=False))
    with pytest.raises(UsageError, match="vocabulary"):
        TEXT.read(tmp_path / "x.txt", (8,))
    with pytest.raises(UsageError, match="no file"):
        TEXT.read_examples(tmp_path / "y.txt", spec())
    with pytest.raises(UsageError, match=r"\.jsonl"):
        TEXT.save(batch(["a\n%\nb"], spec()), spec(), tmp_path / "z.txt")
    assert not (tmp_path / "z.txt").exists()
    for wrong in (Leaf(shape=(8,)), Leaf(shape=(2, 8), classes=3)):
        with pytest.raises(UsageError, match="rows of tokens"):
            TEXT.check(DataSpec(modality="text", leaves={"x": wrong}))
    TEXT.check(spec())


# ---------------------------------------------------------------- the vocabulary, and prompts
def test_a_text_is_the_join_of_its_tokens() -> None:
    for text, names in (("a b.\n\nc", LETTERS), ("the cat\nsees\n\n.", WORDS), ("", WORDS), ("\n", WORDS)):
        assert joined(cut(text, names), names) == text
    assert cut("  the   cat ", WORDS) == [5, 3]
    assert cut("the cat .", WORDS) == [5, 3, 1]


def test_a_prompt_is_cut_by_the_vocabulary() -> None:
    words = Text(length=6, names=WORDS)
    assert words.prepare("the cat", 2).tolist() == [[5, 3, -1, -1, -1, -1]] * 2
    assert words.prepare(["the cat", "a"], 3).tolist() == [[5, 3, -1, -1, -1, -1], [2, -1, -1, -1, -1, -1], [5, 3, -1, -1, -1, -1]]
    assert Text(length=3, names=LETTERS).prepare("ab", 1).tolist() == [[2, 3, -1]]
    assert words.prepare("", 1).tolist() == [[-1] * 6]


def test_tokens_pass_through_as_they_are() -> None:
    for condition in (Text(length=4), Text(length=4, names=WORDS)):
        assert condition.prepare([[1, 2], [3]], 3).tolist() == [[1, 2, -1, -1], [3, -1, -1, -1], [1, 2, -1, -1]]
        assert condition.prepare(torch.tensor([[1, -1, 2, -1]]), 1).tolist() == [[1, -1, 2, -1]]


@pytest.mark.parametrize(
    ("condition", "text", "said"),
    [
        (Text(length=6, names=WORDS), "the dog", "'dog' is not in the vocabulary (6 tokens: "),
        (Text(length=2, names=LETTERS), "abc", "3 tokens, this model holds 2"),
        (Text(length=2), "abc", "no vocabulary"),
    ],
)
def test_a_wrong_prompt_is_one_line(condition: Text, text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        condition.prepare(text, 1)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    if condition.names:
        with pytest.raises(ValueError):
            condition.parse(text)  # on the command line, before anything is loaded
    else:
        assert condition.parse(text) == text


def test_a_prompt_condition_is_json_as_ever() -> None:
    old = CONDITIONS.validate_python({"prompt": {"kind": "text", "help": "", "required": False, "length": 5, "metavar": "TEXT"}})
    assert old["prompt"] == Text(length=5)
    new = Text(length=5, names=WORDS)
    assert CONDITIONS.validate_json(CONDITIONS.dump_json({"prompt": new}))["prompt"] == new
