"""Text and tokens: a vocabulary is the names of a leaf's classes, or a tokenizer. Light: no torch, no numpy.

Where every name is one character, and nobody says that they are words, a text is its characters; else it is words with blanks between
them, and a line's end is a word too. A tokenizer (byte-pair encoding, say) is one of the library `tokenizers`, as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from .errors import UsageError
from .text import one_line


def by_character(names: Sequence[str], words: bool = False) -> bool:
    """Whether texts of this vocabulary are cut into characters; `words`: they are not, though all names are single characters (A C G)."""
    return not words and all(len(name) == 1 for name in names)


def split(text: str, *, characters: bool) -> list[str]:
    """A text as tokens: its characters, or its words and the ends of its lines."""
    if characters:
        return list(text)
    lines = [line.split() for line in text.split("\n")]
    return [word for i, line in enumerate(lines) for word in ([*line, "\n"] if i < len(lines) - 1 else line)]


def cut(text: str, names: Sequence[str], *, words: bool = False, tokenizer: str = "") -> list[int]:
    """The tokens of `text`. Raises ValueError, naming the first that the vocabulary does not have."""
    if tokenizer:
        return list(loaded(tokenizer).encode(text, add_special_tokens=False).ids)
    index = {name: i for i, name in enumerate(names)}
    try:
        return [index[token] for token in split(text, characters=by_character(names, words))]
    except KeyError as error:
        shown = ", ".join(map(repr, names[:12])) + (" …" if len(names) > 12 else "")
        raise ValueError(f"{error.args[0]!r} is not in the vocabulary ({len(names)} tokens: {shown})") from None


def joined(tokens: Iterable[int], names: Sequence[str], *, words: bool = False, tokenizer: str = "") -> str:
    """The text of these tokens: what `cut` takes apart again. Bytes of a tokenizer that are no character are "\ufffd"."""
    if tokenizer:
        return str(loaded(tokenizer).decode(list(tokens), skip_special_tokens=False))
    said = [names[token] for token in tokens]
    if by_character(names, words):
        return "".join(said)
    return " ".join(said).replace(" \n", "\n").replace("\n ", "\n")


@lru_cache(maxsize=4)
def loaded(tokenizer: str) -> Any:
    """The `tokenizers.Tokenizer` that a JSON text describes. Raises UsageError: it is none, or the library is missing."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        missing = "these texts are cut by a tokenizer, and the library tokenizers is missing: install gentk-core[tokenizers]"
        raise UsageError(missing) from None
    try:
        return Tokenizer.from_str(tokenizer)
    except Exception as error:  # the library raises plain Exception
        raise UsageError(f"this is no tokenizer that the library tokenizers reads: {one_line(error, 120)}") from None


def size_of(tokenizer: str) -> int:
    """How many tokens it knows: one above the largest."""
    return max(loaded(tokenizer).get_vocab(with_added_tokens=True).values(), default=-1) + 1


def pieces(names: Sequence[str], *, words: bool = False, tokenizer: str = "") -> list[bytes]:
    """What each token adds to a text, in UTF-8. A token of byte-pair encoding may be a part of a character."""
    if not tokenizer:
        between = "" if by_character(names, words) else " "
        return [(name + between).encode() for name in names]
    found = loaded(tokenizer)
    said = [b""] * size_of(tokenizer)
    for token, number in found.get_vocab(with_added_tokens=True).items():
        known = all(character in _BYTES for character in token)
        said[number] = bytes(_BYTES[character] for character in token) if known else token.encode()
    return said


def _byte_alphabet() -> dict[str, int]:
    """The characters by which byte-level vocabularies write bytes (Radford et al. 2019): printable bytes are themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_alphabet()
