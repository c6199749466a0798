"""Texts that language models are compared on, by character."""

from __future__ import annotations

from . import options
from .fetching import file
from .splits import checked, shuffled_rows
from .text import Cutter, Texts, padded, text

SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
NAMES = "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt"
NAMES_SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"


def tiny_shakespeare(split: str = "train", length: int = 256) -> Texts:
    """1,115,394 characters, 65 different ones (Karpathy 2015): the first 90 % for training, the rest is `test`.

    Training windows start at every character; test windows follow one another, so that every held-out character counts once.
    """
    chosen = options.TinyShakespeare(length=length)
    path = file("tiny-shakespeare", "tinyshakespeare", SHAKESPEARE, SHAKESPEARE_SHA256)
    stride = 1 if checked(split, "tiny-shakespeare") == "train" else 0
    return text(split, path=str(path), length=chosen.length, stride=stride)


def names(split: str = "train") -> Texts:
    """32,033 first names, each with the line's end behind it (Karpathy 2022): a tenth of them, drawn evenly, is `test`."""
    options.Names()
    path = file("names", "names", NAMES, NAMES_SHA256)
    lines = [f"{line}\n" for line in path.read_text("utf-8").splitlines() if line]
    letters = sorted(set("".join(lines)))
    cutter = Cutter(letters, "character")
    chosen = shuffled_rows(len(lines), 0.1, checked(split, "names"))
    rows, lengths = padded([cutter.cut(lines[i]) for i in chosen], max(map(len, lines)), path)
    return Texts(rows, lengths, cutter.leaf)
