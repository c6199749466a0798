"""Text files as people have them: encodings, and lines of cells whatever separates them. Light: no numpy."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..columns import decimal_of as decimal_of  # as plugins know them
from ..columns import missing as missing
from ..columns import number
from ..errors import UsageError, did_you_mean

SEPARATORS = (",", ";", "\t", "|")
PEEK = 1 << 16  # characters from whose whole lines the separator is told
CELL = 1 << 24  # characters of one cell
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


# ---------------------------------------------------------------- encodings
def encoding_of(path: Path, asked: str = "") -> str:
    """The encoding of a text file: what was asked for, what its first bytes say, else UTF-8. Raises UsageError."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except FileNotFoundError:
        raise UsageError(f"no file {path}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    if asked:
        try:
            "".encode(asked)
        except LookupError:
            guess = did_you_mean(asked, ("utf-8", "utf-16", "cp1252", "latin-1"))
            raise UsageError(f"{path}: there is no encoding '{asked}'{guess}") from None
        return asked
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), "utf-8-sig")


def read_text(path: Path, encoding: str = "") -> str:
    """A whole text file, its lines ended by \\n; a mark of byte order is none of it.

    Raises UsageError, naming the likely encoding where it is not UTF-8.
    """
    with opened(path, encoding) as file:
        return file.read().replace("\r\n", "\n").replace("\r", "\n")


@contextmanager
def opened(path: Path, encoding: str = "") -> Iterator[IO[str]]:
    """A text file, its line ends as they are. Errors of reading and decoding inside are UsageErrors of one line."""
    found = encoding_of(path, encoding)
    try:
        with path.open(encoding=found, newline="") as file:
            yield file
    except UnicodeError:
        raise UsageError(f"{path} {_undecodable(path, found)}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None


def _undecodable(path: Path, encoding: str) -> str:
    if encoding != "utf-8-sig":
        return f"is no text in {encoding}, and was not read as UTF-8"
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as first:
        line = content.count(b"\n", 0, first.start) + 1
        return f"is no UTF-8 text (line {line}); it looks like {likely(content)}: set dataset.options.encoding, or save it as UTF-8"
    return "is no UTF-8 text"


def likely(content: bytes) -> str:
    """The encoding that bytes which are no UTF-8 are most likely in."""
    sample = content[: 1 << 16]
    if sample.count(0) > len(sample) // 8:
        return "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
    high = [byte for byte in sample if byte >= 0x80]
    if len(high) * 3 > sum(byte > 0x20 for byte in sample):  # mostly letters beyond ASCII: no western text
        for name in ("shift_jis", "gb18030"):
            decoded = sample.decode(name, "replace")
            if "\ufffd" not in decoded[:-2] and sum(0x3040 <= ord(c) <= 0x9FFF for c in decoded) * 2 > len(decoded.strip()):
                return name
        return "cp1251"
    return "cp1252" if any(0x80 <= byte < 0xA0 for byte in high) else "latin-1"


# ---------------------------------------------------------------- cells
@dataclass(frozen=True)
class Cells:
    """A table of text: its header, and how to read the rows below it."""

    path: Path
    head: tuple[str, ...]
    separator: str = ","
    encoding: str = ""
    below: int = 0  # lines before the first row

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """(line, cells), without blanks around them; empty lines are none. Raises UsageError for a row that is longer or shorter."""
        width = len(self.head)
        with opened(self.path, self.encoding) as file:
            for _ in range(self.below):
                file.readline()
            for line, row in _parsed(file, self.path, self.separator, self.below):
                if len(row) != width:
                    if not any(cell.strip() for cell in row):
                        continue
                    raise UsageError(f"{self.path}: line {line} has {len(row)} cells, the header has {width}")
                yield line, [cell.strip() for cell in row]

    def place(self, name: str) -> int:
        """Where the column called `name` stands. Raises UsageError."""
        if name not in self.head:
            raise UsageError(f"{self.path} has no column '{name}'{did_you_mean(name, self.head)}")
        return self.head.index(name)


def _parsed(file: IO[str], path: Path, separator: str, before: int = 0) -> Iterator[tuple[int, list[str]]]:
    """(the line that a row begins on, its cells)."""
    csv.field_size_limit(CELL)
    reader = csv.reader(file, delimiter=separator, strict=True)
    line = before + 1
    try:
        for row in reader:
            if row:
                if "\0" in row[0]:
                    raise UsageError(f"{path}: line {line} holds bytes that are no text")
                yield line, row
            line = before + reader.line_num + 1
    except csv.Error as error:
        why = "a quote is opened and never closed" if "unexpected end" in str(error) else str(error)
        raise UsageError(f"{path}: line {line}: {why}") from None


class Parquet(Cells):
    """A .parquet file, whose values are told as a table of text would tell them."""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        frame = parquet(self.path)
        for part in frame.iter_slices(100_000):
            text = part.select(polars_text(part))
            for i, row in enumerate(text.iter_rows()):
                yield i + 1, ["" if cell is None else str(cell).strip() for cell in row]


def parquet(path: Path) -> Any:
    """A .parquet file as a polars data frame. Raises UsageError."""
    try:
        import polars
    except ImportError:
        raise UsageError(f"{path}: .parquet needs polars: uv pip install 'gentk-core[parquet]'") from None
    try:
        return polars.read_parquet(path)
    except FileNotFoundError:
        raise UsageError(f"no file {path}") from None
    except (OSError, polars.exceptions.PolarsError) as error:
        raise UsageError(f"{path} is no .parquet file ({str(error).splitlines()[0][:100]})") from None


def polars_text(frame: Any) -> list[Any]:
    """Expressions that turn each column of a polars data frame into text. Raises UsageError for lists and structures."""
    import polars

    told = []
    for name, kind in frame.schema.items():
        if kind.is_nested() or kind == polars.Binary:
            raise UsageError(f"the column '{name}' holds {kind}, no single values")
        column = polars.col(name)
        if kind == polars.Datetime:
            column = column.dt.to_string("iso:strict" if kind.time_zone else "iso")
        told.append(column.cast(polars.String))
    return told


def read_cells(path: Path, *, encoding: str = "", separator: str = "") -> Cells:
    """The header of a .csv, .tsv, .parquet or other table, and what separates its cells: `separator`, or what fits best.

    Raises UsageError: no such file, empty, no header, a name that stands twice.
    """
    if path.suffix.lower() == ".parquet":
        return Parquet(path, tuple(parquet(path).columns))
    encoding = encoding_of(path, encoding)
    with opened(path, encoding) as file:
        top = file.read(PEEK)
    if not top.strip():
        raise UsageError(f"{path} is empty: it has no column of numbers or of anything else")
    if "\0" in top:
        raise UsageError(f"{path} is no table of text: it holds zero bytes")
    below = 0
    if told := re.match(r"sep=(.)\r?\n", top):  # Excel's own word for it
        separator, below, top = separator or told[1], 1, top[told.end() :]
    whole = top if len(top) < PEEK else top[: top.rfind("\n") + 1] or top
    separator = separator or _separator(whole, path)
    if len(separator) != 1:
        raise UsageError(f"{path}: a separator is one character, got '{separator}'")
    _, first = next(_parsed(io.StringIO(whole, newline=""), path, separator, below), (0, []))
    head = [name.strip() for name in first]
    if not any(head):
        raise UsageError(f"{path}: the first line is empty, wanted is a header")
    if twice := [name for name in head if name and head.count(name) > 1]:
        raise UsageError(f"{path}: two columns are called '{twice[0]}'")
    if all(number(name) is not None for name in head if name):
        raise UsageError(f"{path}: the first line holds numbers, wanted is a header with the columns' names")
    return Cells(path, tuple(head), separator, encoding, below + _lines_of(whole, path, separator))


def _lines_of(text: str, path: Path, separator: str) -> int:
    """How many lines the header takes, empty ones before it counted: a name may have a line's end in it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    for row in reader:
        if row:
            break
    return reader.line_num


def _separator(text: str, path: Path) -> str:
    """That for which the first lines have equally many cells, and most of them; else that of the header."""
    best, most = SEPARATORS[0], (False, 1)
    for one in SEPARATORS:
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=one) if row][:200]
        except csv.Error:
            continue
        worth = (all(len(row) == len(rows[0]) for row in rows), len(rows[0]) if rows else 0)
        if worth[1] > 1 and worth > most:
            best, most = one, worth
    return best
