"""Text and tokens: a vocabulary is the names of a leaf's classes. Light: no torch, no numpy.

Where every name is one character, and nobody says that they are words, a text is its characters; else it is words with blanks between
them, and a line's end is a word too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def by_character(names: Sequence[str], words: bool = False) -> bool:
    """Whether texts of this vocabulary are cut into characters; `words`: they are not, though all names are single characters (A C G)."""
    return not words and all(len(name) == 1 for name in names)


def split(text: str, *, characters: bool) -> list[str]:
    """A text as tokens: its characters, or its words and the ends of its lines."""
    if characters:
        return list(text)
    lines = [line.split() for line in text.split("\n")]
    return [word for i, line in enumerate(lines) for word in ([*line, "\n"] if i < len(lines) - 1 else line)]


def cut(text: str, names: Sequence[str], *, words: bool = False) -> list[int]:
    """The tokens of `text`. Raises ValueError, naming the first that the vocabulary does not have."""
    index = {name: i for i, name in enumerate(names)}
    try:
        return [index[token] for token in split(text, characters=by_character(names, words))]
    except KeyError as error:
        shown = ", ".join(map(repr, names[:12])) + (" …" if len(names) > 12 else "")
        raise ValueError(f"{error.args[0]!r} is not in the vocabulary ({len(names)} tokens: {shown})") from None


def joined(tokens: Iterable[int], names: Sequence[str], *, words: bool = False) -> str:
    """The text of these tokens: what `cut` takes apart again."""
    said = [names[token] for token in tokens]
    if by_character(names, words):
        return "".join(said)
    return " ".join(said).replace(" \n", "\n").replace("\n ", "\n")
