"""Whether image files can be read, told from their headers and ends: thousands of them in seconds. Light: no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UsageError
from .pictures import Grey, Span, Unreadable, load, opened, reason, span_of, undecided


class Look(NamedTuple):
    """What a look at an image file told without decoding it, where its kind allows that."""

    trouble: str = ""  # why it cannot be read; "" where nothing speaks against it
    side: int = 0  # the shorter one, in pixels
    span: Span | None = None  # its black and white, where it holds values beyond 8 bits whose depth does not say them


def look(path: Path) -> Look:
    """Look at an image file: at its header and its end, and at all of it where these do not say that it is whole.

    A file that is damaged in between is found when it is decoded.
    """
    if path.is_symlink() and not path.exists():
        return Look("a link to nothing")
    try:
        size = path.stat().st_size
        if not size:
            return Look("it is empty")
        with path.open("rb") as file:
            head = file.read(16)
            file.seek(max(0, size - 64))
            tail = file.read()
        if path.name.startswith("._") and head.startswith(b"\0\5\26\7"):
            return Look("macOS left it beside the real file")
        with opened(path) as image:
            side = min(image.size)
            if not side:
                return Look("it has no pixels")
            deep = undecided(image)
            if not deep and not _whole(image, head, tail, size):  # or something stands behind its end, as some cameras write it
                image.load()
        grey = load(path) if deep else None
    except Unreadable as error:
        return Look(error.reason)
    except UsageError as error:
        return Look(str(error))
    except OSError as error:
        return Look(reason(path, error))
    return Look("", side, span_of(grey) if isinstance(grey, Grey) else None)


def _whole(image: Any, head: bytes, tail: bytes, size: int) -> bool:
    """Whether an opened file surely goes on to its end. Of kinds that are not below, only decoding tells."""
    if image.format == "TIFF":
        return _strips_end_within(image, size)
    return image.format in _ENDS and _ENDS[image.format](head, tail, size)


def _strips_end_within(image: Any, size: int) -> bool:
    """Whether a TIFF's strips or tiles lie before the file's end."""
    tags = image.tag_v2
    places = [(tags[at], tags[counts]) for at, counts in ((273, 279), (324, 325)) if at in tags and counts in tags]
    return bool(places) and all(start + count <= size for starts, counts in places for start, count in zip(starts, counts, strict=False))


def _jpeg_ends(head: bytes, tail: bytes, size: int) -> bool:
    return b"\xff\xd9" in tail


_ENDS: dict[str, Callable[[bytes, bytes, int], bool]] = {
    "PNG": lambda head, tail, size: b"IEND" in tail,
    "JPEG": _jpeg_ends,
    "MPO": _jpeg_ends,  # what many cameras write: several JPEGs, and our image is the first
    "WEBP": lambda head, tail, size: int.from_bytes(head[4:8], "little") + 8 <= size,
}
"""Whether (the first bytes, the last ones, the length) are those of a whole file: kinds in which nothing else can look like it."""
