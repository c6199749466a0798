"""Text: tokens (L,) int64, whose vocabulary is `names` of the leaf. A leaf `length` says how many of the tokens count."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..files import read_arrays, replacing
from ..vocabulary import cut, joined
from .arrays import fits, save_arrays
from .base import ARRAYS, Modality, leaf
from .cells import read_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..protocols import Batch, DataSpec

RULE = "%"
"""A line of its own between the texts of a .txt file, where texts have several lines: as in the `fortune` files of BSD."""
SHOWN, WIDEST = 5, 300  # texts and characters of each that a command prints


class Text(Modality):
    """Characters or words."""

    name = "text"
    suffixes = (".txt", ".jsonl", *ARRAYS)
    default_suffix = ".txt"

    def check(self, spec: DataSpec) -> None:
        x = spec.leaves["x"]
        if len(x.shape) != 1 or not x.classes:
            raise UsageError(f"texts are rows of tokens, (length,) with classes; this leaf x is {x.shape} with {x.classes} classes")

    def save(self, batch: Batch, spec: DataSpec, path: Path) -> None:
        """.txt (a text per line, or between lines of `%`), .jsonl ({"text": …, conditions}), .npz, .safetensors."""
        self.check_path(path)
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix in ARRAYS:
            save_arrays(batch, spec, path)
            return
        texts = texts_of(batch, spec)
        written = _lines(texts, path) if suffix == ".txt" else _objects(texts, batch, spec)
        with replacing(path) as temporary:
            temporary.write_text(written, "utf-8", newline="\n")

    def read(self, path: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """.npz or .safetensors. Tokens of a text file need the vocabulary: see `read_examples`."""
        path = Path(path)
        if path.suffix.lower() not in ARRAYS:
            raise UsageError(f"{path}: the tokens of a text need a vocabulary, and nothing here has one; give {' or '.join(ARRAYS)}")
        arrays = read_arrays(path)
        if "x" not in arrays:
            raise UsageError(f"{path} has no array 'x' (it has: {', '.join(sorted(arrays)) or 'nothing'})")
        return fits(arrays["x"], path, shape)

    def read_examples(self, path: str | Path, spec: DataSpec, *, gaps: bool = False) -> dict[str, NDArray[Any]]:
        """Tokens x (n, L) int64 and length (n,) of the texts in a .txt, .jsonl, .npz or .safetensors file. Raises UsageError."""
        import numpy as np

        path = Path(path)
        if path.suffix.lower() in ARRAYS:
            return super().read_examples(path, spec, gaps=gaps)
        texts, conditions, lines = _read(path)
        room, names = spec.shape[0], names_of(spec)
        rows = []
        for i, text in enumerate(texts):
            try:
                row = cut(text, names, words=spec.leaves["x"].words, tokenizer=spec.leaves["x"].tokenizer)
            except ValueError as error:
                raise UsageError(f"{path}, text {i + 1}: {error}") from None
            if len(row) > room:
                raise UsageError(f"{path}, text {i + 1}: {len(row)} tokens, wanted are {room} at most")
            if lines and (ends := _line_end(spec)) and len(row) + len(ends) <= room:
                row.extend(ends)  # that of the line, which ended the text if anything did
            if len(row) < room and "length" not in spec.leaves:
                raise UsageError(f"{path}, text {i + 1}: {len(row)} tokens, wanted are {room}")
            rows.append(row)
        told = {f"cond_{key}": np.array(value) for key, value in conditions.items() if key in spec.conditions}
        return {**_padded(rows, room, spec), **told}

    def words(self, batch: Batch, spec: DataSpec) -> str:
        """The first few texts, cut where they are long."""
        texts = [text.rstrip("\n") for text in texts_of({key: value[:SHOWN] for key, value in batch.items()}, spec)]
        return "\n".join(text if len(text) <= WIDEST else text[:WIDEST] + " …" for text in texts)


def _line_end(spec: DataSpec) -> list[int]:
    """The tokens of a line's end; none where the vocabulary has none."""
    x, names = spec.leaves["x"], names_of(spec)
    return cut("\n", names, tokenizer=x.tokenizer) if x.tokenizer else [names.index("\n")] if "\n" in names else []


def names_of(spec: DataSpec) -> tuple[str, ...]:
    """The vocabulary; tokens without names are called by their numbers."""
    x = spec.leaves["x"]
    return () if x.tokenizer else x.names or tuple(map(str, range(x.classes)))


def texts_of(batch: Batch, spec: DataSpec) -> list[str]:
    """Each example's text, of the tokens that count."""
    x, names = leaf(batch), names_of(spec)
    ends = leaf(batch, "length").tolist() if "length" in batch else [x.shape[1]] * len(x)
    words, tokenizer = spec.leaves["x"].words, spec.leaves["x"].tokenizer
    return [joined(row[:end].tolist(), names, words=words, tokenizer=tokenizer) for row, end in zip(x, ends, strict=True)]


def _lines(texts: Sequence[str], path: Path) -> str:
    """A text per line; a newline that ends a text is that of its line. Where one has several lines, each is followed by a line of `%`."""
    ended = [text.removesuffix("\n") for text in texts]
    if not any("\n" in text for text in ended):
        return "".join(text + "\n" for text in ended)
    if any(RULE in text.split("\n") for text in texts):
        raise UsageError(f"{path}: a text has a line '{RULE}', which stands between texts in a .txt; save them as .jsonl")
    return "".join(f"{text}\n{RULE}\n" for text in texts)


def _objects(texts: Sequence[str], batch: Batch, spec: DataSpec) -> str:
    conditions = {key: leaf(batch, key).tolist() for key in spec.conditions if key in batch}
    rows = [{"text": text, **{key: values[i] for key, values in conditions.items()}} for i, text in enumerate(texts)]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _read(path: Path) -> tuple[list[str], dict[str, list[Any]], bool]:
    """The texts of a .txt or .jsonl file; what else each object says under a key that all have; whether a text was a line."""
    suffix = path.suffix.lower()
    if suffix not in (".txt", ".jsonl"):
        raise UsageError(f"{path}: texts are read from .txt, .jsonl, {' or '.join(ARRAYS)}")
    try:
        content = read_text(path)
        if suffix == ".txt":
            rule = f"\n{RULE}\n"
            if content.endswith(rule):
                return content.split(rule)[:-1], {}, False
            return content.removesuffix("\n").split("\n"), {}, True
        rows = [json.loads(line) for line in content.split("\n") if line]
        keys = set.intersection(*(set(row) for row in rows)) - {"text"}
        return [str(row["text"]) for row in rows], {key: [row[key] for row in rows] for key in keys}, False
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: a .jsonl has an object with the key 'text' on each line") from error


def _padded(rows: Sequence[Sequence[int]], room: int, spec: DataSpec) -> dict[str, NDArray[Any]]:
    import numpy as np

    x = np.zeros((len(rows), room), np.int64)
    for i, row in enumerate(rows):
        x[i, : len(row)] = row
    return {"x": x, "length": np.array([len(row) for row in rows], np.int64)} if "length" in spec.leaves else {"x": x}
